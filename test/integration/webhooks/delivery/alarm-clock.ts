/** A clock for the deliverer that goes only when a test puts it forward. */
import type { Clock } from '../../../../src/webhooks/delivery/clock.js'

export class AlarmClock implements Clock {
  #now = Date.now()
  readonly #alarms = new Set<{ readonly time: number; readonly act: () => void }>()

  now(): number {
    return this.#now
  }

  at(time: number, act: () => void): () => void {
    const alarm = { time, act }
    this.#alarms.add(alarm)
    if (time <= this.#now) queueMicrotask(() => this.#ring())
    return () => this.#alarms.delete(alarm)
  }

  /** Milliseconds until the next alarm; undefined if there is none. */
  get next(): number | undefined {
    const times = [...this.#alarms].map(({ time }) => time)
    return times.length === 0 ? undefined : Math.min(...times) - this.#now
  }

  forward(ms: number): void {
    this.#now += ms
    this.#ring()
  }

  #ring(): void {
    for (const alarm of [...this.#alarms]) {
      if (alarm.time <= this.#now && this.#alarms.delete(alarm)) alarm.act()
    }
  }
}
