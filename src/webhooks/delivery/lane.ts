/**
 * One lane of an endpoint: `live`, the events after its cursor; `replay`, a range that is sent again; `retry`, single events that
 * are. Lanes do not wait for each other. Its states, which follow from what it holds:
 *
 *   at the head ── the stream grows ──▶ reading ── events ──▶ ready ── a slot is free ──▶ sending ── 2xx ──▶ ready, or reading
 *                                          ▲                    │                            │
 *                                          └── none match ──────┘          failure, held back │
 *                                                               ready ◀── it is time ── waiting
 *
 * **At the head**: it has read everything. The hub wakes it when its stream grows; it does not poll.
 * **Reading**: it reads the next events that match, as many as it may hold.
 * **Ready**: it has an event, and waits for its turn among all endpoints (fair-slots.ts).
 * **Sending**: an ordered lane sends one event at a time, a parallel one up to `max_in_flight`.
 * **Waiting**: a delivery has failed, and its next try is stored with its time. An ordered lane starts nothing else before that
 *   delivery is settled; a parallel lane goes on, as long as at most 256 wait. While the breaker of the host is open, or the
 *   receiver has asked for a pause, it starts nothing either; that is no attempt.
 *
 * It is over when its lease is lost, the endpoint is no longer active, or the process stops: then only the results of
 * deliveries under way are taken.
 *
 * Invariant: deliveries begin in the order of the log, and everything up to the cursor is settled. In an ordered lane an event is
 * not sent before the one before it is settled: delivered, or a dead letter.
 */
import type { Cursor } from '../../hub/cursor.js'
import type { Position } from '../../log/event.js'
import { Alarm } from './alarm.js'
import { cursorOf, type Delivery } from './delivery.js'
import type { LaneChange, Sent } from './lane-host.js'
import type { LaneOptions, Loss } from './lane-options.js'
import { LanePlace } from './lane-place.js'
import { LaneQueue } from './lane-queue.js'
import { LaneResets, OWN } from './lane-resets.js'
import { LaneSupply, type LaneSupplyOptions } from './lane-supply.js'
import { continuesAt } from './reset-message.js'
import { settlementOf } from './settlement.js'
import type { Attempted } from './verdict.js'
import { WaitingDeliveries } from './waiting-deliveries.js'

/** How long a lane waits when the log cannot be read, or a read was `behind`. */
const READ_AGAIN_MS = 500
const START: Required<Cursor> = { position: 0 as Position, eventId: '' }

export class Lane {
  readonly #options: LaneOptions
  readonly #waiting: WaitingDeliveries
  readonly #place: LanePlace
  readonly #supply: LaneSupply
  readonly #queue: LaneQueue
  readonly #resets: LaneResets
  readonly #alarm: Alarm
  readonly #isOrdered: boolean
  #underWay = 0
  #closed = false

  constructor(options: LaneOptions) {
    const { name, host, cursor, waiting, loss, reader, window, to } = options
    this.#options = options
    this.#resets = new LaneResets(waiting)
    this.#alarm = new Alarm(host.clock, () => this.wake())
    this.#waiting = new WaitingDeliveries(waiting.filter(({ position }) => position !== OWN))
    this.#isOrdered = host.endpoint.order === 'ordered'
    this.#place = new LanePlace(cursor ?? START)
    const { first } = this.#waiting
    // The cursor of an ordered lane stands before the event that has failed.
    const failed = cursor && this.#isOrdered && first && first.position > cursor.position ? first : undefined
    if (failed) this.#place.begin(cursorOf(failed), failed.since.getTime())
    const from = failed ? cursorOf(failed) : cursor
    this.#supply = new LaneSupply({ host, reader, window, from, to, onRead: read => this.#onRead(read) })
    const parts = { waiting: this.#waiting, resets: this.#resets, place: this.#place, supply: this.#supply }
    this.#queue = new LaneQueue({ name, isOrdered: this.#isOrdered, ...parts })
    if (loss) this.#lose(loss)
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Everything up to here is settled. */
  get cursor(): Required<Cursor> {
    return this.#place.cursor
  }

  /** Deliveries that wait for their next try. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** The time of the first event that is not settled, as far as the lane has read. */
  get oldestAt(): number | undefined {
    return this.#place.oldestAt ?? this.#supply.first?.at
  }

  /** Something may have changed: the stream has grown, or the endpoint may begin deliveries again. */
  wake(): void {
    this.#supply.grown()
    this.#pump()
  }

  /** Stored events were changed: those that were read ahead are read again. */
  forget(): void {
    this.#supply.forget()
  }

  /** Notes the cursor, if it has moved over events that need no delivery. */
  noteProgress(): void {
    if (this.#place.hasMoved) this.#note({})
  }

  /** Begins no further delivery. Results of deliveries under way are still taken. */
  close(): void {
    this.#closed = true
    this.#alarm.close()
    this.#options.window.clear()
  }

  #pump(): void {
    const { host } = this.#options
    while (!this.#closed && host.mayBegin && this.#underWay < host.endpoint.maxInFlight) {
      const now = host.clock.now()
      const next = now < host.heldUntil ? { at: host.heldUntil } : this.#queue.next(now)
      if (next && 'at' in next) this.#alarm.ringAt(next.at)
      if (!next || 'at' in next) return
      this.#underWay += 1
      void this.#send(next)
    }
  }

  async #send(delivery: Delivery): Promise<void> {
    const { host } = this.#options
    const load = () => this.#supply.load(delivery, this.#resets.message, host.clock)
    const sent = await host.send({ number: delivery.attempts + 1, load })
    if (delivery.item) this.#supply.release(delivery.item)
    this.#underWay -= 1
    this.#take(delivery, sent)
    host.settled()
    this.#pump()
  }

  #take(delivery: Delivery, sent: Sent): void {
    const { host } = this.#options
    if (sent.kind === 'answered' || sent.kind === 'failed') this.#judge(delivery, sent)
    else if (sent.kind === 'no-event') this.#settle(delivery, {})
    else if (sent.kind === 'gone') this.#takeGone(delivery)
    else {
      if (sent.kind === 'held-back') host.hold(sent.untilMs)
      if (sent.kind === 'unreadable') host.hold(host.clock.now() + READ_AGAIN_MS)
      this.#queue.putBack(delivery, this.#closed)
    }
  }

  /** The log has lost the event of a delivery. A delivery that waits beside the cursor, or alone, is settled. */
  #takeGone(delivery: Delivery): void {
    const isBeside = !this.#options.cursor || delivery.position <= this.#place.cursor.position
    if (isBeside) this.#settle(delivery, {})
    else if (!this.#closed && this.#queue.withdraw(delivery)) this.#note({ settled: [delivery] })
  }

  #judge(delivery: Delivery, result: Attempted): void {
    const { host } = this.#options
    const now = host.clock.now()
    const { endpoint, schedule } = host
    const { waiting, attempt, dead = [], ...after } = settlementOf(delivery, result, endpoint, schedule, now)
    if (!waiting) this.#settle(delivery, { attempt, dead })
    else {
      this.#waiting.set(waiting)
      // A parallel lane moves on: the delivery is stored as waiting.
      if (this.#isOrdered) this.forget()
      else this.#place.settle(delivery.position)
      this.#note({ attempt, waiting: [waiting] })
    }
    if (after.pauseMs > 0) host.hold(now + after.pauseMs)
    host.attempted(after.succeeded, after.stop)
  }

  #settle(delivery: Delivery, change: LaneChange): void {
    const { position, lane } = delivery
    const settled = this.#waiting.delete(position) ? [{ lane, position }] : []
    const to = position === OWN ? this.#resets.settle() : undefined
    if (to) {
      this.#continueAfter(to)
      this.#note({ ...change, settled, reset: { stream: this.#supply.stream, to } })
    } else {
      this.#place.settle(position)
      this.#note({ ...change, settled })
    }
  }

  #note(change: LaneChange): void {
    const { host, name, cursor } = this.#options
    host.note(name, { ...change, ...(cursor && this.#place.takeNote()) })
    this.#endIfDone()
  }

  #onRead(read: Parameters<LaneSupplyOptions['onRead']>[0]): void {
    const { host } = this.#options
    if (this.#closed) return
    if (read === 'failed' || read === 'behind') this.#alarm.ringAt(host.clock.now() + READ_AGAIN_MS)
    else {
      if (typeof read === 'object') this.#lose({ reason: read.why, bounds: read.place })
      else if (!this.#supply.first && this.#supply.reached && !this.#supply.end)
        this.#place.pass(this.#supply.reached)
      const stale = this.#resets.takeStale()
      if (stale) this.#note({ settled: [stale] })
      this.#endIfDone()
    }
    this.#pump()
  }

  /** The log does not continue after what the lane has read. */
  #lose({ reason, bounds }: Loss): void {
    const { host, name, to = 0 } = this.#options
    if (name === 'replay') {
      const next = continuesAt({ reason, bounds })
      if (reason === 'retention' && next.position < to) this.#continueAfter(next)
      else this.#supply.end = 'lost'
      return
    }
    const lost = this.#supply.reached ?? START
    if (reason === 'history-lost' && this.#goBack(lost)) return
    host.lost(reason, lost)
    const at = new Date(host.clock.now())
    this.#waiting.set(this.#resets.lose({ webhook: host.endpoint.id, reason, lost, bounds, at }))
  }

  /** The log may still have the last place that the receiver knows: the filter has left out every event since. */
  #goBack(lost: Required<Cursor>): boolean {
    const from = this.#place.goBack(lost)
    if (from) this.#supply.continueAfter(from)
    return from !== undefined
  }

  #continueAfter(to: Required<Cursor>): void {
    this.#place.restart(to)
    this.#supply.continueAfter(to)
  }

  #endIfDone(): void {
    const { host } = this.#options
    const { end, first } = this.#supply
    if (!end || this.#closed || first || this.#place.isOpen || this.#waiting.size > 0) return
    this.close()
    host.ended(end)
  }
}
