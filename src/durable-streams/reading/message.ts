/**
 * The message of an event, as readers of Durable Streams get it. A chunk has exactly one member, `json`, `text` or `base64`. In a JSON
 * stream, events that were published as others are messages too, as pages of the feed show them; in other streams they are passed over.
 * Redacted events are passed over in both.
 */
import { CANCEL, CHUNK } from '../../log/chunk-events.js'
import type { StoredEvent } from '../../log/event.js'
import { isDelivered, REDACTED } from '../../log/event.js'
import { isRedacted } from '../../log/redacted-data.js'
import { eventDocument } from '../../sse/ndjson.js'
import { memberOf } from './single-member.js'

/** Types of events about a stream, which are no messages in it. */
const ABOUT: readonly string[] = [CANCEL, REDACTED]

/** The JSON text of a message, in one line; undefined for an event that is passed over. */
export function jsonMessage(event: StoredEvent): string | undefined {
  if (!isDelivered(event) || ABOUT.includes(event.type)) return undefined
  const member = event.type === CHUNK ? memberOf(event.data, 'json') : undefined
  // A line end in a JSON text is between tokens.
  if (member !== undefined) return member.replace(/[\r\n]+/g, ' ')
  return isErased(event) ? undefined : eventDocument(event)
}

/** The bytes of a message; undefined for an event that is passed over. */
export function messageBytes(event: StoredEvent): Buffer | undefined {
  if (event.type !== CHUNK) return undefined
  const text = textIn(event.data, 'text')
  if (text !== undefined) return Buffer.from(text)
  const base64 = textIn(event.data, 'base64')
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64')
}

function textIn(data: string, name: 'text' | 'base64'): string | undefined {
  const member = memberOf(data, name)
  const value: unknown = member === undefined ? undefined : JSON.parse(member)
  return typeof value === 'string' ? value : undefined
}

function isErased({ data }: StoredEvent): boolean {
  // Only short data can be that of a redaction; a reason has at most a few hundred characters.
  return data.includes('"redacted"') && isRedacted(JSON.parse(data))
}
