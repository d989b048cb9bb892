/**
 * One client on one stream (subscription-state.ts has the states). While it catches up, it repeats two steps: it waits for room in the
 * sink, and writes the events after its cursor (next-frames.ts). It goes live in the turn in which its cursor is the stream's head. Then
 * its fan-out group hands it payloads, and it takes those that continue its cursor (I4). When a payload fills the sink, it leaves the
 * group and catches up once the sink has drained. All that it writes continues the cursor by identity and without a gap. If the log has
 * lost the cursor, the subscription goes back to the last place that the client knows; if the log has lost that too, the client gets
 * `reset`. An unreadable log is read again.
 */
import type { Position, StoredEvent } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Bounds, Head } from '../log/log.js'
import type { Encoding, Notice } from '../sse/encoding.js'
import type { Payload } from '../sse/payload.js'
import { type Sink, STALLED_MS } from '../sse/sink.js'
import { type ClientLimit, ClientOutput } from './client-output.js'
import { type Cursor, isAt, placeOf } from './cursor.js'
import { type DeliveryWindow, eventsUpTo, type WindowedSubscription } from './delivery-window.js'
import type { EventFrames } from './event-frames.js'
import type { Member } from './fan-out-group.js'
import type { Follower, HubStream } from './hub-stream.js'
import type { Mode } from './mode.js'
import { NextFrames } from './next-frames.js'
import type { PermittedSubscription } from './permit.js'
import { atHead, headMoved, stepWhile, UNREADABLE } from './read-again.js'
import type { Stop } from './stop.js'
import type { SubscriptionOptions } from './subscription-options.js'
import { initialState, type SubscriptionInput, transition } from './subscription-state.js'
import type { Discontinuity } from './tailed-stream.js'

export class Subscription implements Member, Follower, PermittedSubscription, WindowedSubscription {
  readonly options: SubscriptionOptions
  // Copied for each delivery: reading them in #options, which has many shapes, took a tenth of the gateway's CPU.
  readonly stream: HubStream
  readonly #sink: Sink
  readonly #encoding: Encoding
  readonly #filter: EventFilter | undefined
  readonly #window: DeliveryWindow | undefined
  readonly output: ClientOutput
  #state = initialState()
  #cursor: Cursor
  #catchUpRuns = false

  constructor(options: SubscriptionOptions) {
    this.options = options
    this.stream = options.stream
    this.#sink = options.sink
    this.#encoding = options.encoding
    this.#filter = options.filter
    this.#window = options.window
    this.output = new ClientOutput(options)
    this.#cursor = options.start.cursor
  }

  get state() {
    return this.#state
  }

  get cursor(): Cursor {
    return this.#cursor
  }

  /** Greets the client and starts to catch up. `opening` is sent before the events. */
  open(mode: Mode, opening: readonly Buffer[], ignored?: readonly string[]): void {
    const { permit, onClosed, start, broughtId, window } = this.options
    this.stream.followers.add(this)
    permit.onOpened(this)
    this.#sink.onClosed(() => {
      this.#apply({ name: 'closed' })
      this.stream.followers.delete(this)
      permit.onClosed()
      onClosed()
    })
    this.output.greet({ start, broughtId, permit, window, mode, opening, ignored })
    void this.#catchUp()
  }

  /** Called by the fan-out group while the subscription is live. */
  receive(payload: Payload | undefined, after: Cursor, upTo: StoredEvent): void {
    if (upTo.position <= this.#cursor.position) return
    if (isAt(this.#cursor, after)) this.#advance(payload, upTo)
    else this.#apply({ name: 'gap' })
    if (this.#sink.full) this.#apply({ name: 'backpressure' })
    if (this.stream.closed) this.onClosed()
  }

  /** Called by the stream when the log has lost its head. A client that knows that head has no older place to go back to. */
  restart(why: Discontinuity, bounds: Bounds, lost: Head): void {
    if (isAt(this.output.known, lost)) this.#reset(why, bounds)
    else this.#rewind()
  }

  onDeleted(): void {
    this.#window?.reset({ position: 0 as Position })
    this.stop(this.stream.hasEnd ? 'ended' : 'deleted')
  }

  /** The stream was closed, perhaps before its last events have arrived here. */
  onClosed(): void {
    if (this.stream.endsAt(this.#cursor) && !this.#window?.inFlight) this.stop('ended')
  }

  /** Called by the stream when stored events were changed. All live subscriptions share the object of their cursor. */
  forget(head: Head): void {
    if (this.#cursor.eventId === head.eventId) this.#cursor = head
    else {
      this.#cursor = placeOf(this.#cursor)
      this.#apply({ name: 'gap' })
    }
    this.output.forget()
  }

  /** Called by the window: an event was not acknowledged in time, or one that was not written here was acknowledged. */
  continueAfter(cursor: Cursor): void {
    this.output.goBack(cursor)
    this.#rewind()
  }

  /** Sends a notice with the client's cursor. `ending`: the stream ends soon, so the client gets a retry time of its own. */
  say(notice: Notice, ending = false): void {
    this.output.notice(notice, this.#cursor, ending)
  }

  /** Called about twice a second, by the hub's one timer. */
  tick(now: number): void {
    if (this.options.permit.isOver(now)) this.stop('expired')
    else if (this.#window?.loss) this.stop(this.#window.loss)
    else if (this.stream.deleted) this.onDeleted()
    else if (now >= this.options.tooOldAt) this.stop('too-old')
    else if (this.#sink.stalledFor(now) > STALLED_MS) this.stop('stalled')
    else if (this.stream.endsAt(this.#cursor) && !this.#window?.inFlight) this.stop('ended')
    else this.output.tick(now, this.stream.heartbeats, this.#cursor)
  }

  /** There is no room for it. @param limit the limit that is reached, if it is one of the client's own. */
  refuse(reason: 'draining' | 'limit', limit?: ClientLimit): void {
    this.output.refuse(reason, this.#cursor, limit)
  }

  stop(why: Stop): void {
    this.output.end(why, this.#cursor)
  }

  #apply(input: SubscriptionInput): void {
    const before = this.#state
    this.#state = transition(before, input)
    if (this.#state === before) return
    if (before.name === 'live') before.leave()
    if (this.#state.name === 'catching-up') void this.#catchUp()
  }

  /** Writes events that continue the cursor. A stream that has an end ends for the client with its last event. */
  #advance(payload: Payload | undefined, upTo: StoredEvent, from?: NextFrames['source']): void {
    this.#cursor = upTo
    if (payload) this.output.payload(payload, upTo, from)
    const closing = this.#encoding.closing?.(upTo)
    // The filter may have hidden the last event, and a client with an earlier id would end up here again.
    if (closing) this.output.endWith(closing, this.#filter && upTo)
  }

  #rewind(): void {
    this.#cursor = this.output.known
    this.#window?.rewound(this.#cursor)
    this.#apply({ name: 'rewound' })
  }

  #reset(why: Discontinuity, bounds: Bounds): void {
    this.#cursor = bounds.head
    this.output.reset(why, bounds)
    this.#window?.reset(bounds.head)
    this.#apply({ name: 'reset' })
  }

  /** Resolves when the subscription is live or closed; never rejects. */
  async #catchUp(): Promise<void> {
    // A subscription may fall behind in the turn in which it went live, so below too. Two loops would write everything twice.
    if (this.#catchUpRuns) return
    this.#catchUpRuns = true
    const { starts, start, logger } = this.options
    const next = new NextFrames(this.stream, starts.pages, this.#filter, start.latest, this.#window)
    const isGoing = () => this.#state.name === 'catching-up'
    const step = () => this.#step(next)
    await stepWhile(isGoing, step, logger, () => this.say(UNREADABLE))
    this.#catchUpRuns = false
    if (isGoing()) void this.#catchUp()
  }

  async #step(next: NextFrames): Promise<void> {
    if (this.#sink.full) await this.#sink.drained()
    else if (isAt(this.#cursor, this.stream.head)) this.#join()
    else if (this.#cursor.position >= this.stream.head.position) await this.#seekHead()
    else await this.#writeNext(next)
  }

  #join(): void {
    const leave = this.#window
      ? atHead(this.stream, () => this.#apply({ name: 'gap' }))
      : this.stream.join(this, this.#encoding, this.#filter)
    this.#apply({ name: 'head-reached', leave })
    if (this.#filter && !this.#window && this.#cursor.position > this.options.start.cursor.position)
      this.output.cursor(this.#cursor)
    this.output.caughtUp(this.#cursor)
    this.onClosed()
  }

  /** Another process gave the client more than the tailer has read here, or one of the two has seen a lost tail. */
  async #seekHead(): Promise<void> {
    if (this.#cursor.position > this.stream.head.position) await headMoved(this.stream)
    if (this.#cursor.position >= this.stream.head.position && !isAt(this.#cursor, this.stream.head))
      await this.#askLog()
  }

  async #writeNext(next: NextFrames): Promise<void> {
    const isWanted = this.#untilChanged()
    const frames = await next.after(this.#cursor, isWanted)
    if (!isWanted()) return
    await (frames.length > 0 ? this.#write(frames, next, isWanted) : this.#askLog())
  }

  async #write(frames: readonly EventFrames[], next: NextFrames, isWanted: () => boolean): Promise<void> {
    const before = this.#cursor
    for (const { payload, upTo } of next.payloads(frames, before, this.#encoding)) {
      if (this.#sink.full) {
        await this.#sink.drained()
        await this.stream.pacing.turn()
      }
      if (!isWanted()) return
      this.#window?.wrote(eventsUpTo(frames, this.#cursor, upTo, this.#filter), upTo)
      this.#advance(payload, upTo, next.source)
    }
    // A client that is disconnected in the middle of a long log resumes from here.
    const isBeyond = frames.length < this.#cursor.position - before.position || frames.at(-1)?.isPassedOver
    if (isBeyond) this.output.cursor(this.#cursor)
  }

  #untilChanged(): () => boolean {
    const [state, edition] = [this.#state, this.stream.edition]
    return () => state === this.#state && edition === this.stream.edition
  }

  /** Nothing continues the cursor: retention was faster, the log has lost its tail, or this process's copy of it is wrong and read again. */
  async #askLog(): Promise<void> {
    const state = this.#state
    const { why, place } = await this.options.starts.askLog(this.stream, this.#cursor)
    if (state !== this.#state) return
    if (why === 'deleted') this.onDeleted()
    else if (why === 'history-lost' && !isAt(this.#cursor, this.output.known)) this.#rewind()
    else if (why) this.#reset(why, place)
    else await headMoved(this.stream)
  }
}
