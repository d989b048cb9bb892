/** Numbers of events by the way in which they were published. Plain numbers, because they change with every event. */
import { WAYS, type Way } from '../log/event.js'

/** A program with SQL names the way of its events itself. Unknown names would make any number of labels. */
const KNOWN: ReadonlySet<string> = new Set(WAYS)

export class WayCounts {
  readonly counts: Record<string, number>

  /** @param ways that are counted from the start, so that Prometheus sees their first event as an increase. */
  constructor(ways: readonly (Way | 'unknown')[]) {
    this.counts = Object.fromEntries(ways.map(way => [way, 0]))
  }

  /** @param way anything but a Way counts as unknown, as events from before it was recorded. */
  add(way: Way | null | undefined, events: number): void {
    const name = way && KNOWN.has(way) ? way : 'unknown'
    this.counts[name] = (this.counts[name] ?? 0) + events
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0)
  }
}
