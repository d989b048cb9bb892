/**
 * Writes the bytes of one client, besides the payloads that it shares with others, and tracks the id with which the client
 * would reconnect. A client keeps the id of the last block that has one, and some clients lose it at a block that has none
 * (src/sse/brought-id.ts). So once an id was sent, every block that can be the last one carries the client's cursor.
 */
import type { StoredEvent } from '../log/event.js'
import type { Bounds } from '../log/log.js'
import type { Encoding, Notice } from '../sse/encoding.js'
import { carriesId, dispatches } from '../sse/frame.js'
import { Payload } from '../sse/payload.js'
import { retryMs } from '../sse/retry.js'
import type { Sink } from '../sse/sink.js'
import { ClientTally } from './client-tally.js'
import { type Cursor, cursorId, placeOf } from './cursor.js'
import { isHoldLoss } from './delivery-window.js'
import { firstState, type Greeting } from './greeting.js'
import type { Heartbeats } from './heartbeats.js'
import type { CloseReason, HubTally, ReplaySource } from './hub-tally.js'
import { DELETED, type Reset, resetNotice, resetTo, type Start } from './start.js'
import type { Stop } from './stop.js'
import type { Discontinuity } from './tailed-stream.js'

/** The owner whose open streams are counted together. */
export type ClientLimit = 'principal' | 'workspace' | 'address'

export interface ClientOutputOptions {
  readonly sink: Sink
  readonly encoding: Encoding
  readonly start: Start
  readonly stream: { readonly tally: HubTally }
  readonly heartbeatMs: number
}

export class ClientOutput {
  readonly #sink: Sink
  readonly #encoding: Encoding
  readonly #tally: HubTally
  readonly own = new ClientTally()
  #closeReason: CloseReason = 'client'
  /** The newest place that the client knows. Its cursor is further on if the filter has hidden events since. */
  #known: Cursor
  /** The source of the id with which the client would reconnect: none, the client itself, or this response. */
  #idFrom: 'none' | 'client' | 'response' = 'none'
  /** The `retry` field, until it is sent before a block that has data. */
  #retry: Buffer | undefined
  readonly #heartbeatMs: number
  #heartbeatAt: number
  /** Whether the last block says that the client has reached the head. */
  #saysHead = false

  constructor({ sink, encoding, start, stream, heartbeatMs }: ClientOutputOptions) {
    this.#tally = stream.tally
    sink.onClosed(() => {
      this.#tally.closed[this.#closeReason] += 1
    })
    this.#sink = sink
    this.#encoding = encoding
    this.#known = start.cursor
    this.#heartbeatMs = heartbeatMs
    this.#heartbeatAt = Date.now() + heartbeatMs
  }

  /** The name of the encoding. */
  get form(): string {
    return this.#encoding.name
  }

  get waitingBytes(): number {
    return this.#sink.pending
  }

  get bytes(): number {
    return this.#sink.written
  }

  /** Whether so many bytes wait that nothing is written until the client reads. */
  get full(): boolean {
    return this.#sink.full
  }

  /** Why the subscription has closed. While it is open: `client`, the reason if the client disconnects now. */
  get closeReason(): CloseReason {
    return this.#closeReason
  }

  get known(): Cursor {
    return this.#known
  }

  /** The client gets events after this place again. */
  goBack(cursor: Cursor): void {
    this.#known = cursor
  }

  /** Keeps the place that the client knows, without the event there, whose data would stay in memory. */
  forget(): void {
    this.#known = placeOf(this.#known)
  }

  greet({ start, broughtId, permit, window, mode, opening, ignored }: Greeting): void {
    const encoding = this.#encoding
    // A client that is disconnected before it has read the `reset` must reconnect with the id that it brought.
    const id = start.reset ? broughtId : cursorId(start.cursor)
    const data = firstState({ mode, connection: permit.connection }, ignored, window)
    // A client that is disconnected before it has read the whole opening must reconnect without an id.
    const hello = encoding.notice(
      id !== undefined && opening.length === 0
        ? { name: 'server.state', data, id }
        : { name: 'server.state', data },
    )
    const cursor = hello && id !== undefined && opening.length > 0 ? encoding.cursor(id) : undefined
    const reset = start.reset && resetNotice(encoding, start.reset)
    this.#tally.opened += 1
    if (start.reset) this.#noteReset(start.reset.reason, undefined, start.cursor)
    this.#retry = encoding.retry(retryMs())
    this.#writeBlocks([hello, ...opening, cursor, reset])
    if (hello || reset || opening.some(carriesId)) this.#idFrom = 'response'
    else if (broughtId !== undefined) this.#idFrom = 'client'
  }

  /** Sends events up to `upTo`, in a payload that other clients share. @param from their place, for events of the past. */
  payload(payload: Payload, upTo: StoredEvent, from?: ReplaySource): void {
    // The filter may have hidden the events after the last one in the payload: the client does not know these.
    this.#known = payload.last ?? upTo
    if (this.#retry) this.#write([this.#retry])
    this.#retry = undefined
    this.#sink.write(payload)
    this.#idFrom = 'response'
    this.#saysHead = payload.saysHead
    this.own.events += payload.parts
    this.#tally.events += payload.parts
    this.#tally.bytes += payload.bytes.length
    if (from) this.#tally.replayed[from] += payload.parts
  }

  /** The client has everything up to this cursor, which is the head. */
  caughtUp(cursor: Cursor): void {
    if (!this.#saysHead && this.#encoding.caughtUp) this.#writeBlocks([this.#encoding.caughtUp(cursor)])
    this.#saysHead = true
  }

  /** Sends a cursor beyond the client's last event, for the client to keep. */
  cursor(cursor: Cursor): void {
    const block = this.#encoding.cursor(cursorId(cursor))
    // An encoding without cursors cannot tell the client this place, so the client still knows only its own.
    if (!block) return
    this.#known = cursor
    this.#saysHead = false
    this.#write([block])
  }

  /** Sends the bytes that follow the last event of a stream, after `cursor` if one is given, and ends. */
  endWith(closing: Buffer, cursor: Cursor | undefined): void {
    this.#closeReason = 'ended'
    this.#write([cursor && this.#encoding.cursor(cursorId(cursor)), closing])
    this.#sink.end()
  }

  /** Ends the stream. The client gets the reason if it has to do something about it. */
  end(why: Stop, cursor: Cursor): void {
    this.#closeReason = why
    if (why === 'stalled') {
      this.#sink.destroy()
      return
    }
    if (why === 'deleted') this.#writeBlocks([resetNotice(this.#encoding, DELETED)])
    // The filter may have hidden the last event. A client that reconnected with an earlier id would end up here again.
    if (why === 'ended' && this.#encoding.ended) this.#writeBlocks([this.#encoding.ended(cursor)])
    else if (why === 'ended') this.notice({ name: 'heartbeat', data: {} }, cursor)
    if (why === 'expired' || why === 'revoked') this.notice({ name: `auth-${why}`, data: {} }, cursor)
    if (why === 'by-admin' || isHoldLoss(why))
      this.notice({ name: 'unavailable', data: { reason: why } }, cursor, true)
    this.#sink.end()
  }

  /** Ends the stream because there is no room for it: right after the greeting, or when all processes together have too many. */
  refuse(reason: 'draining' | 'limit', cursor: Cursor, limit?: ClientLimit): void {
    this.#closeReason = 'refused'
    const data = { reason, ...(limit !== undefined && { limit }) }
    this.notice({ name: 'unavailable', data }, cursor, true)
    this.#sink.end()
  }

  reset(why: Discontinuity, bounds: Bounds): void {
    this.#noteReset(why, this.#known, bounds.head)
    if (this.#encoding.endsAtReset) return void this.end('reset', this.#known)
    this.#known = bounds.head
    this.#writeBlocks([resetNotice(this.#encoding, resetTo(bounds, why))])
    this.#idFrom = 'response'
  }

  /** @param ending whether the stream ends soon: the client then gets a retry time of its own. */
  notice(notice: Notice, cursor: Cursor, ending = false): void {
    const place = this.#idFrom === 'none' ? {} : { id: cursorId(cursor) }
    if (this.#idFrom !== 'none') this.#known = cursor
    const block = this.#encoding.notice({ ...notice, ...place })
    if (!ending) this.#writeBlocks([block])
    else if (block) this.#write([this.#encoding.retry(retryMs()), block])
  }

  /** Sends a heartbeat when it is time for one, and nothing waits for the client. */
  tick(now: number, heartbeats: Heartbeats, cursor: Cursor): void {
    if (now < this.#heartbeatAt) return
    this.#heartbeatAt = now + this.#heartbeatMs
    if (!this.#sink.full) this.#heartbeat(heartbeats, cursor)
  }

  #heartbeat(heartbeats: Heartbeats, cursor: Cursor): void {
    // If a comment were the first block of the response, the client could lose the id that it brought.
    if (this.#idFrom === 'client') {
      this.#write([this.#encoding.cursor(cursorId(cursor))])
      this.#idFrom = 'response'
    }
    this.own.heartbeatAt = Date.now()
    const own = this.#idFrom === 'none' ? undefined : cursor
    if (own) this.#known = own
    heartbeats.write(this.#sink, this.#encoding, own)
  }

  #noteReset(reason: Reset['reason'], from: Cursor | undefined, to: Cursor): void {
    this.#tally.resets[reason] += 1
    this.own.reset(reason, from, to)
  }

  /** Writes blocks, with the `retry` field in the first one that has data. */
  #writeBlocks(blocks: readonly (Buffer | undefined)[]): void {
    const parts: Buffer[] = []
    for (const block of blocks) {
      if (!block) continue
      if (this.#retry && dispatches(block)) {
        parts.push(this.#retry)
        this.#retry = undefined
      }
      parts.push(block)
    }
    this.#write(parts)
  }

  #write(parts: readonly (Buffer | undefined)[]): void {
    const bytes = parts.filter((part): part is Buffer => part !== undefined && part.length > 0)
    if (bytes.length > 0 && this.#sink.open) this.#sink.write(Payload.of(bytes))
  }
}
