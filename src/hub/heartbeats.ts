/**
 * What the clients of one stream hear when there is nothing to tell. Those that are live have the same event as their
 * cursor, so that one heartbeat, made once, serves all of them.
 */
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import type { Sink } from '../sse/sink.js'
import { type Cursor, cursorId } from './cursor.js'

export class Heartbeats {
  readonly #newest = new Map<string, { cursor: Cursor | undefined; payload: Payload | undefined }>()

  /**
   * Nothing in an encoding that has no heartbeats.
   * @param cursor the client's own, undefined where it has none.
   */
  write(sink: Sink, encoding: Encoding, cursor: Cursor | undefined): void {
    let heartbeat = this.#newest.get(encoding.name)
    if (!heartbeat || heartbeat.cursor !== cursor) {
      const place = cursor === undefined ? {} : { id: cursorId(cursor) }
      const notice = encoding.notice({ name: 'heartbeat', data: {}, ...place })
      heartbeat = { cursor, payload: notice?.length ? Payload.of([notice]) : undefined }
      this.#newest.set(encoding.name, heartbeat)
    }
    if (heartbeat.payload) sink.write(heartbeat.payload)
  }
}
