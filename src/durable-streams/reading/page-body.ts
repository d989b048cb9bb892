/** The body of a page: a JSON array of messages, or the bytes of all, one after the other (PROTOCOL §5.6, §9.1). */
import type { StoredEvent } from '../../log/event.js'
import type { Content } from './content.js'
import { jsonMessage, messageBytes } from './message.js'

export interface PageBody {
  readonly body: Buffer
  /** The number of messages. */
  readonly messages: number
}

export function pageBody(events: readonly StoredEvent[], content: Content): PageBody {
  if (content === 'json') {
    const texts = events.flatMap(event => jsonMessage(event) ?? [])
    return { body: Buffer.from(`[${texts.join(',')}]`), messages: texts.length }
  }
  const parts = events.flatMap(event => messageBytes(event) ?? [])
  return { body: Buffer.concat(parts), messages: parts.length }
}
