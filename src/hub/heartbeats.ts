/**
 * What the clients of one stream hear when there is nothing to tell. Those that are live have the same event as their
 * cursor, so that one heartbeat, made once, serves all of them.
 */
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import type { Sink } from '../sse/sink.js'
import { type Cursor, cursorId } from './cursor.js'

export class Heartbeats {
  readonly #newest = new Map<string, { cursor: Cursor; payload: Payload | undefined }>()

  /** With the client's own cursor; nothing in an encoding that has no heartbeats. */
  write(sink: Sink, encoding: Encoding, cursor: Cursor): void {
    let heartbeat = this.#newest.get(encoding.name)
    if (heartbeat?.cursor !== cursor) {
      const notice = encoding.notice({ name: 'heartbeat', data: {}, id: cursorId(cursor) })
      heartbeat = { cursor, payload: notice?.length ? Payload.of([notice]) : undefined }
      this.#newest.set(encoding.name, heartbeat)
    }
    if (heartbeat?.payload) sink.write(heartbeat.payload)
  }
}
