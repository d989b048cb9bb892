/**
 * A consumer that a client of this process holds with a live stream: the window of its subscription (delivery-window.ts).
 * src/consumers/holds.ts keeps the lease, and reports what the row says.
 *
 * **held**: the subscription gets events as long as fewer than `max_in_flight` are not acknowledged, and the lease is certain.
 *   When an acknowledgement is overdue, everything after the cursor is handed out again, in order.
 * **lost**: another claim, a seek, a change or the deletion of the consumer raised the epoch. Nothing more is handed out.
 * **closed**: the subscription has closed. The lease is given up, unless it was lost.
 *
 * Invariant: what was handed out is the contiguous range of events after the cursor, up to `place`; events that the filter
 * leaves out are passed over. So the cursor may move over them once nothing is in flight.
 */
import type { Cursor } from '../hub/cursor.js'
import type { DeliveryWindow, HoldLoss, WindowedSubscription } from '../hub/delivery-window.js'
import type { EventFrames } from '../hub/event-frames.js'
import type { Start, StartAt } from '../hub/start.js'
import type { StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Claim, Consumer, LostReason, ResetPlace } from './consumer.js'
import type { ConsumerSignal } from './consumer-signals.js'
import type { ClaimedPlace, HandedOut } from './cursor-rows.js'
import { NO_EVENT, startAfter } from './cursor-start.js'
import { InFlight } from './in-flight.js'

export interface HoldOptions {
  readonly consumer: Consumer
  /** When the lease ends, in ms of `performance.now()`. */
  readonly leaseUntil: number
  /** The log does not continue the cursor: the row must keep the reset until it is acknowledged. */
  onReset(hold: Hold): void
  onClosed(hold: Hold): void
}

export class Hold implements DeliveryWindow {
  readonly claim: Claim
  readonly #options: HoldOptions
  readonly #inFlight = new InFlight()
  readonly #waiting = new Set<() => void>()
  #leaseUntil: number
  /** Everything up to it is acknowledged. */
  #cursor: Head
  /** Everything up to it was handed out or passed over. */
  #place: Cursor
  #lastHanded: Head | undefined
  #noted = ''
  #subscription: WindowedSubscription | undefined
  #state: 'held' | 'lost' | 'closed' = 'held'
  /** Set once it is lost. */
  loss: HoldLoss | undefined
  /** A reset that is not in the row yet. Reads of the row do not count until it is. */
  resetting: ResetPlace | undefined
  /** Whether the client has not yet acknowledged a reset. The row has another cursor meanwhile, and it must not move by itself. */
  #isReset = false

  constructor(options: HoldOptions) {
    const { consumer, leaseUntil } = options
    this.#options = options
    this.claim = { id: consumer.id, epoch: consumer.epoch }
    this.#leaseUntil = leaseUntil
    this.#cursor = consumer.cursor
    this.#place = consumer.cursor
  }

  get consumer(): DeliveryWindow['consumer'] {
    const { name, epoch, ackTimeoutMs, maxInFlight } = this.#options.consumer
    return { name, epoch, ack_timeout_ms: ackTimeoutMs, max_in_flight: maxInFlight }
  }

  /** Everything up to it is acknowledged. */
  get cursor(): Head {
    return this.#cursor
  }

  /** Where the subscription starts. */
  get start(): StartAt {
    const { cursor, reset } = this.#options.consumer
    return startAfter(cursor, reset)
  }

  get inFlight(): number {
    return this.#inFlight.count
  }

  /** A process that could not renew its lease in time hands out nothing: another may hold the consumer by now. */
  get room(): number {
    if (this.#state !== 'held' || performance.now() >= this.#leaseUntil) return 0
    return Math.max(0, this.#options.consumer.maxInFlight - this.#inFlight.count)
  }

  changed(): Promise<void> {
    return new Promise(resolve => this.#waiting.add(resolve))
  }

  wrote(events: readonly EventFrames[], upTo: Cursor): void {
    this.#place = upTo
    const positions = events.map(({ position }) => position)
    // No acknowledgement would take the others away.
    this.#inFlight.add(
      positions.filter(position => position > this.#cursor.position),
      performance.now(),
    )
    const last = events.at(-1)?.event
    if (last) this.#lastHanded = { position: last.position, eventId: last.eventId }
  }

  startFrom(start: Start, stream: StreamId): Start {
    if (start.reset || stream !== this.#options.consumer.streamId) return start
    return this.#cursor.position > start.cursor.position ? { cursor: this.#cursor } : start
  }

  onOpened(subscription: WindowedSubscription, start: Start): void {
    this.#subscription = subscription
    const isOfOtherStream = subscription.stream.id !== this.#options.consumer.streamId
    if (start.reset || isOfOtherStream) this.reset(start.cursor)
  }

  onClosed(): void {
    if (this.#state === 'held') this.#state = 'closed'
    this.#wake()
    this.#options.onClosed(this)
  }

  /** Gives the consumer up if no subscription has opened: the client was not admitted. */
  abandon(): void {
    if (!this.#subscription) this.onClosed()
  }

  /** The client has acknowledged nothing after this place, but the cursor may have passed over lost events. */
  rewound(to: Cursor): void {
    const { position, eventId } = to
    this.#place = to
    if (position < this.#cursor.position && eventId !== undefined) this.#cursor = { position, eventId }
  }

  reset({ position, eventId = NO_EVENT }: Cursor): void {
    const to = { position, eventId }
    this.#cursor = to
    this.#place = to
    this.#lastHanded = undefined
    this.#inFlight.clear()
    this.#isReset = true
    this.resetting = { stream: this.#subscription?.stream.id ?? this.#options.consumer.streamId, to }
    this.#options.onReset(this)
    this.#wake()
  }

  /** Everything up to this event was acknowledged, here or at another node. */
  acknowledged(cursor: Head): void {
    if (this.resetting || cursor.position < this.#cursor.position) return
    this.#isReset = false
    if (cursor.position === this.#cursor.position) return
    this.#cursor = cursor
    this.#inFlight.acknowledge(cursor.position, performance.now())
    // The client knows events that it did not get from this stream.
    if (cursor.position > this.#place.position) this.#continueAfterCursor()
    this.#wake()
  }

  hear({ epoch, cursor }: Extract<ConsumerSignal, { kind: 'acknowledged' }>): void {
    if (epoch === this.claim.epoch) this.acknowledged(cursor)
  }

  renewed(leaseUntil: number): void {
    this.#leaseUntil = leaseUntil
    this.#wake()
  }

  /** Whether events were handed out and nothing was acknowledged in time, as far as this process knows. */
  isOverdue(): boolean {
    return (
      this.#state === 'held' &&
      this.#inFlight.isOverdue(this.#options.consumer.ackTimeoutMs, performance.now())
    )
  }

  handOutAgain(): void {
    this.#inFlight.clear()
    this.#continueAfterCursor()
    this.#wake()
  }

  /** Ends the subscription; the client gets the reason. A subscription that opens later ends itself, by `loss`. */
  lose(reason: LostReason): void {
    if (this.#state !== 'held') return
    this.#state = 'lost'
    this.loss = lossOf(reason)
    this.#subscription?.stop(this.loss)
    this.#wake()
  }

  get isLost(): boolean {
    return this.#state === 'lost'
  }

  /** The note for the row; undefined if nothing has changed since the last one. */
  takeNote(): HandedOut | undefined {
    if (!this.#lastHanded || this.resetting) return undefined
    const { position, eventId } = this.#lastHanded
    const note = `${position} ${this.#inFlight.count}`
    if (note === this.#noted) return undefined
    this.#noted = note
    return { ...this.claim, position, eventId, inFlight: this.#inFlight.count }
  }

  /** The place to which the cursor may move without an acknowledgement, because the filter has left out all events up to it. */
  get passedOver(): ClaimedPlace | undefined {
    const { position, eventId } = this.#place
    if (this.#isReset || this.#inFlight.count > 0 || eventId === undefined) return undefined
    return position > this.#cursor.position ? { ...this.claim, position, eventId } : undefined
  }

  #continueAfterCursor(): void {
    this.#place = this.#cursor
    this.#subscription?.continueAfter(this.#cursor)
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}

/** The reason of a loss, as the client gets it. */
function lossOf(reason: LostReason): HoldLoss {
  switch (reason) {
    case 'sought':
    case 'changed':
      return reason
    case 'deleted':
      return 'consumer-deleted'
    case 'taken-over':
    case 'paused':
      return 'taken-over'
  }
}
