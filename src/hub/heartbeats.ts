/**
 * The heartbeats of one stream, which its clients get while there are no events. All live clients have the same cursor, so one
 * heartbeat serves all of them and is made once.
 */
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import type { Sink } from '../sse/sink.js'
import { type Cursor, cursorId } from './cursor.js'

export class Heartbeats {
  readonly #newest = new Map<string, { cursor: Cursor | undefined; payload: Payload | undefined }>()

  /**
   * Writes a heartbeat, or nothing in an encoding that has none.
   * @param cursor the client's own; undefined if the client has none.
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
