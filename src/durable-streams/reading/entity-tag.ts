/**
 * The entity tag of a page. Places never change, so two pages between the same places differ only by messages that were redacted between
 * them, which makes the later one smaller, and by the end of the stream, which a reader must learn (PROTOCOL §10.1).
 */
import { cursorId } from '../../hub/cursor.js'
import { formatETag } from '../../items/etag.js'
import type { DurablePage } from './durable-page.js'

export function entityTagOf({ from, next, messages, body, isEnd }: DurablePage): string {
  const size = `${messages}.${body.length}`
  return formatETag(`${from.position}:${cursorId(next)}:${size}${isEnd ? ':c' : ''}`)
}
