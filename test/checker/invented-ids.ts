/** Ids that a client has made up, and what it gets back of them. */
import { placeOf, type StreamLog } from './stream-log.js'

/** What a notice has in the place of a text that is no id. */
const UNKNOWN = 'unknown'

/** Whether it has the form of an id, and is none of this log. */
export function isInvented(id: string | undefined, log: StreamLog): boolean {
  const place = placeOf(id ?? '')
  return place?.check !== undefined && !log.has(place)
}

/** What the client has brought comes back until the reset; a text that is no id, as a word. */
export function isReturned(id: string, brought: string | undefined): boolean {
  return brought !== undefined && (id === brought || (id === UNKNOWN && !placeOf(brought)))
}
