/**
 * One client on one stream.
 *
 *            cursor reaches the stream's head
 * catching-up ─────────────────────────────▶ live        any state ──▶ closed
 *      ▲                                       │
 *      └───────── its sink is full ────────────┘
 *
 * catching-up: it fetches what comes after its cursor, from the recent frames or else from the log, and writes as
 *   fast as its sink drains. When its cursor is the stream's head it joins, in the same turn of the event loop.
 * live: the hub pushes shared payloads, and it takes what continues its cursor (I4). When they fill the sink it leaves
 *   and catches up from its own cursor.
 * closed: by the client, or by `stop`. Nothing is written any more.
 *
 * When the log does not continue at the stream's head, a client that knows that head gets `reset` and goes on from the new
 * one. Any other catches up from the last place that it knows.
 */
import type { StoredEvent } from '../log/event.js'
import type { Bounds, Head } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Encoding, Notice } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import { retryMs } from '../sse/retry.js'
import { type Sink, STALLED_MS } from '../sse/sink.js'
import { CatchUp, type Latecomer } from './catch-up.js'
import { type Cursor, cursorId, isAt } from './cursor.js'
import type { Member } from './fan-out-group.js'
import type { Follower, HubStream } from './hub-stream.js'
import type { Mode } from './mode.js'
import type { PermittedSubscription } from './permit.js'
import { resetNotice, resetTo } from './start.js'
import type { SubscriptionOptions } from './subscription-options.js'
import type { Discontinuity } from './tailer.js'

export type Stop = 'expired' | 'revoked' | 'too-old' | 'stalled' | 'draining' | 'deleted'

export class Subscription implements Member, Follower, Latecomer, PermittedSubscription {
  readonly #options: SubscriptionOptions
  // What each delivery needs: looked up in #options, which has many shapes, it took a tenth of the gateway's CPU.
  readonly #stream: HubStream
  readonly #sink: Sink
  readonly #encoding: Encoding
  readonly #filter: TypeFilter | undefined
  #cursor: Cursor
  /** The newest place that the client knows: the cursor is further where a filter has passed over events since. */
  #told: Cursor
  #leave: (() => void) | undefined
  #catchUpRuns = false
  #closed = false
  #restarts = 0
  /** What the client would come back with: nothing, the id that it came with, or one that was sent on this response. */
  #place: 'none' | 'brought' | 'sent' = 'none'
  /** Not sent yet, because nothing with data was. */
  #retry: Buffer | undefined
  #heartbeatAt: number

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.#stream = options.stream
    this.#sink = options.sink
    this.#encoding = options.encoding
    this.#filter = options.filter
    this.#cursor = options.start.cursor
    this.#told = options.start.cursor
    this.#heartbeatAt = Date.now() + options.heartbeatMs
  }

  get kind(): string {
    return this.#stream.kind
  }

  get cursor(): Cursor {
    return this.#cursor
  }

  get catchingUp(): boolean {
    return !this.#closed && !this.#leave
  }

  get restarts(): number {
    return this.#restarts
  }

  /**
   * Says hello and starts to catch up. Call it once.
   * @param opening said first: what the client needs before the events, such as a snapshot.
   * @param ignored query parameters that were ignored: an EventSource cannot read the header that names them.
   */
  open(mode: Mode, opening: readonly Buffer[], ignored?: readonly string[]): void {
    const { start, broughtId, permit, onClosed } = this.#options
    this.#stream.followers.add(this)
    permit.onOpened(this)
    this.#sink.onClosed(() => {
      this.#closed = true
      this.#leaveLive()
      this.#stream.followers.delete(this)
      permit.onClosed()
      onClosed()
    })
    // A client that is cut off before it has heard of the reset must come back with what it brought.
    const id = start.reset ? broughtId : cursorId(start.cursor)
    // One that is cut off before it has heard its opening whole must come back without an id.
    const place = id !== undefined && opening.length === 0 ? { id } : {}
    const data = { mode, connection: permit.connection, ...(ignored && { ignored: [...ignored] }) }
    const hello = this.#encoding.notice({ name: 'server.state', data, ...place })
    const cursor = hello && id !== undefined && opening.length > 0 ? this.#encoding.cursor(id) : undefined
    const reset = start.reset && resetNotice(this.#encoding, start.reset)
    this.#retry = this.#encoding.retry(retryMs())
    this.#say([hello, ...opening, cursor, reset])
    if (hello || reset) this.#place = 'sent'
    else if (broughtId !== undefined) this.#place = 'brought'
    void this.#catchUp()
  }

  receive(payload: Payload | undefined, after: Cursor, upTo: StoredEvent): void {
    if (upTo.position <= this.#cursor.position) return
    const continues = isAt(this.#cursor, after)
    if (continues) this.advance(payload, upTo)
    if (!continues || this.#sink.full) void this.#catchUp()
  }

  /** A stream that has an end ends for the client with its last event. */
  advance(payload: Payload | undefined, upTo: StoredEvent): void {
    this.#cursor = upTo
    if (payload) {
      this.#told = upTo
      if (this.#retry) this.#write([this.#retry])
      this.#retry = undefined
      this.#sink.write(payload)
      this.#place = 'sent'
    }
    const closing = this.#encoding.closing?.(upTo)
    if (!closing) return
    // The filter may have hidden the last event: who comes back with an id before it would be sent here again.
    this.#write([this.#filter && this.#encoding.cursor(cursorId(upTo)), closing])
    this.#sink.end()
  }

  joinLive(): void {
    this.#leave = this.#stream.join(this, this.#encoding, this.#filter)
    if (this.#filter && this.#cursor.position > this.#options.start.cursor.position) this.sayCursor()
  }

  sayCursor(): void {
    this.#told = this.#cursor
    this.#write([this.#encoding.cursor(cursorId(this.#cursor))])
  }

  restart(why: Discontinuity, bounds: Bounds, lost: Head): void {
    this.#restarts += 1
    this.stepBack()
    if (isAt(this.#told, lost)) this.reset(why, bounds)
    else void this.#catchUp()
  }

  stepBack(): boolean {
    const passed = !isAt(this.#cursor, this.#told)
    this.#cursor = this.#told
    return passed
  }

  reset(why: Discontinuity, bounds: Bounds): void {
    this.#restarts += 1
    this.#cursor = bounds.head
    this.#told = bounds.head
    this.#say([resetNotice(this.#encoding, resetTo(bounds, why))])
    this.#place = 'sent'
  }

  onDeleted(): void {
    this.stop('deleted')
  }

  /**
   * With the client's cursor: it may be the last that the client hears.
   * @param ending whether the stream ends soon: then the client is asked to come back at a time of its own.
   */
  say(notice: Notice, ending = false): void {
    const place = this.#place === 'none' ? {} : { id: cursorId(this.#cursor) }
    if (this.#place !== 'none') this.#told = this.#cursor
    const said = this.#encoding.notice({ ...notice, ...place })
    this.#say([said], ending ? this.#encoding.retry(retryMs()) : this.#retry)
  }

  /** Twice a second or so, by the hub's one timer. */
  tick(now: number): void {
    const { permit, tooOldAt, heartbeatMs } = this.#options
    if (permit.isOver(now)) this.stop('expired')
    else if (now >= tooOldAt) this.stop('too-old')
    else if (this.#sink.stalledFor(now) > STALLED_MS) this.stop('stalled')
    else if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + heartbeatMs
      if (!this.#sink.full) this.#sayHeartbeat()
    }
  }

  /** Ends it in the very beginning: there is no room for it any more. */
  refuse(reason: 'draining' | 'limit'): void {
    this.say({ name: 'unavailable', data: { reason } }, true)
    this.#sink.end()
  }

  revoke(): void {
    this.stop('revoked')
  }

  stop(why: Stop): void {
    if (why === 'stalled') {
      this.#sink.destroy()
      return
    }
    if (why === 'expired' || why === 'revoked') this.say({ name: `auth-${why}`, data: {} })
    this.#sink.end()
  }

  async #catchUp(): Promise<void> {
    this.#leaveLive()
    // It may be full again in the very turn in which it went live: two at once would write everything twice.
    if (this.#catchUpRuns) return
    this.#catchUpRuns = true
    await new CatchUp(this.#options, this).run()
    this.#catchUpRuns = false
  }

  #leaveLive(): void {
    this.#leave?.()
    this.#leave = undefined
  }

  #sayHeartbeat(): void {
    // A comment as the first block of the response would cost the client its id.
    if (this.#place === 'brought') this.#write([this.#encoding.cursor(cursorId(this.#cursor))])
    if (this.#place === 'brought') this.#place = 'sent'
    const cursor = this.#place === 'none' ? undefined : this.#cursor
    if (cursor) this.#told = cursor
    this.#stream.heartbeats.write(this.#sink, this.#encoding, cursor)
  }

  /** What begins with a block that has data, or is nothing. */
  #say(parts: readonly (Buffer | undefined)[], retry = this.#retry): void {
    if (!parts.some(part => part?.length)) return
    this.#retry = undefined
    this.#write([retry, ...parts])
  }

  #write(parts: readonly (Buffer | undefined)[]): void {
    const bytes = parts.flatMap(part => (part && part.length > 0 ? [part] : []))
    if (bytes.length > 0 && !this.#closed) this.#sink.write(Payload.of(bytes))
  }
}
