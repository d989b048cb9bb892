/**
 * Bodies as the data of events of type `chunk`, which has exactly one member: `json`, a message as it was written; `text`, bytes of a
 * text; or `base64`, other bytes. So every reader of events reads them, with native ids. A body that is larger than an event becomes
 * several of them.
 */
import { isUtf8 } from 'node:buffer'
import { endWithin } from '../bytes/json-text.js'
import { textOf, withoutByteOrderMark } from '../bytes/utf8.js'
import { MAX_DATA_BYTES, MAX_DATA_DEPTH } from '../log/event.js'
import { Problem } from '../problems/problem.js'
import { isTextType, JSON_TYPE, mediaTypeOf } from './content-type.js'
import { elementsOf } from './json-elements.js'

/** The most bytes of a message of a JSON stream: its event contains the name of the member too. */
export const MAX_MESSAGE_BYTES = MAX_DATA_BYTES - '{"json":}'.length
/** Messages of one request: its events are one transaction, for which other writers of the stream wait. */
const MAX_MESSAGES = 10_000
const MAX_TEXT_BYTES = MAX_DATA_BYTES - '{"text":""}'.length
/** Base64 makes four characters of three bytes. */
const MAX_BINARY_BYTES = Math.floor((MAX_DATA_BYTES - '{"base64":""}'.length) / 4) * 3
/** No UTF-8 byte takes more in JSON. */
const ESCAPED_BYTES = 6

/**
 * The data of the events that hold a body, in order; none for an empty body, and for an empty JSON array.
 * @throws {Problem} in a JSON stream 400 `invalid-json`, `invalid-utf8`, `data-too-deep`, 413 `event-too-large`,
 * `body-too-large`.
 */
export function chunksOf(body: Buffer, contentType: string): string[] {
  if (body.length === 0) return []
  const mediaType = mediaTypeOf(contentType)
  if (mediaType === JSON_TYPE) return jsonChunks(body)
  // Postgres cannot show a text with NUL, which a filter or a program in SQL may want to.
  const isText = isTextType(mediaType) && isUtf8(body) && !body.includes(0)
  return isText ? textChunks(body) : binaryChunks(body)
}

function jsonChunks(body: Buffer): string[] {
  const text = withoutByteOrderMark(textOf(body, 'The body'))
  try {
    JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem(400, 'invalid-json', `The body is not JSON: ${reason}. Nothing of it was stored.`)
  }
  const { texts, levels } = elementsOf(text)
  // The data of the event is a level of its own.
  if (levels >= MAX_DATA_DEPTH) {
    throw new Problem(
      400,
      'data-too-deep',
      `A message has more than ${MAX_DATA_DEPTH - 1} levels of objects and arrays. Flatten it.`,
    )
  }
  if (texts.length > MAX_MESSAGES) {
    const detail = `The array has ${texts.length} messages; the limit is ${MAX_MESSAGES}. Send them in several requests.`
    throw new Problem(413, 'body-too-large', detail)
  }
  return texts.map(element => {
    const bytes = Buffer.byteLength(element)
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new Problem(
        413,
        'event-too-large',
        `A message has ${bytes} bytes of JSON; the limit is ${MAX_MESSAGE_BYTES}. Send it in parts, or a reference to it.`,
      )
    }
    return `{"json":${element}}`
  })
}

function textChunks(body: Buffer): string[] {
  const text = body.toString()
  const chunks: string[] = []
  const isSmall = body.length * ESCAPED_BYTES <= MAX_TEXT_BYTES
  for (let from = 0; from < text.length; ) {
    const end = isSmall ? text.length : endWithin(text, from, MAX_TEXT_BYTES)
    chunks.push(`{"text":${JSON.stringify(text.slice(from, end))}}`)
    from = end
  }
  return chunks
}

function binaryChunks(body: Buffer): string[] {
  const chunks: string[] = []
  for (let from = 0; from < body.length; from += MAX_BINARY_BYTES) {
    chunks.push(
      `{"base64":"${body.toString('base64', from, Math.min(from + MAX_BINARY_BYTES, body.length))}"}`,
    )
  }
  return chunks
}
