/** The headers of a write, checked and turned into the operation that they ask for (PROTOCOL §5.1, §5.2). */
import { Problem } from '../problems/problem.js'
import type { CreateRequest, DurableAppend, ForkRequest, ProducerClaim } from './durable-stream.js'
import { contentOf } from './reading/content.js'
import { parseOffset } from './reading/offset.js'
import { nameAt } from './stream-name.js'

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** A header is at most as long as the head of a request; these are stored. */
const MAX_TEXT = 256
const WHOLE = /^(0|[1-9][0-9]{0,15})$/
/** RFC 3339, with a zone. */
const TIME =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$/
/** Visible characters of ASCII, and spaces between them. */
const TEXT = /^[!-~]([ -~]*[!-~])?$/
const EMPTY_ARRAY = /^\s*\[\s*\]\s*$/
const DEFAULT_TYPE = 'application/octet-stream'

/** @throws {Problem} 400. @param base the prefix of the dialect. */
export function createRequestOf(headers: Headers, body: Buffer | undefined, base: string): CreateRequest {
  const fork = forkOf(headers, base)
  const contentType = contentTypeOf(headers) ?? (fork ? undefined : DEFAULT_TYPE)
  const ttl = whole(headers, 'stream-ttl')
  const expires = expiryOf(headers)
  if (ttl !== undefined && expires !== undefined)
    throw invalid('Stream-TTL and Stream-Expires-At exclude each other. Send one of them.')
  const closed = isClosing(headers)
  return { contentType, ttl: ttl?.text, expires, closed, fork, ...(body?.length && { body }) }
}

/** @throws {Problem} 400. */
export function appendRequestOf(headers: Headers, bytes: Buffer | undefined): DurableAppend {
  const close = isClosing(headers)
  const seq = text(headers, 'stream-seq')
  const producer = producerOf(headers)
  if (!bytes || bytes.length === 0) {
    if (close) return { close, seq, producer }
    throw invalid('The body is empty. Send the bytes to append, or Stream-Closed: true to close the stream.')
  }
  const contentType = contentTypeOf(headers)
  if (contentType === undefined)
    throw invalid('Content-Type is missing. Send the content type of the stream.')
  if (contentOf(contentType) === 'json' && isEmptyArray(bytes))
    throw invalid('The body is an empty array, which has no message. Send at least one.')
  return { body: { contentType, bytes }, close, seq, producer }
}

/** PROTOCOL §9.1.3. */
function isEmptyArray(bytes: Buffer): boolean {
  return bytes.length <= MAX_TEXT && EMPTY_ARRAY.test(bytes.toString())
}

/** Any other value counts as no header (PROTOCOL §4.1). */
function isClosing(headers: Headers): boolean {
  return one(headers, 'stream-closed')?.toLowerCase() === 'true'
}

function contentTypeOf(headers: Headers): string | undefined {
  const type = one(headers, 'content-type')?.trim()
  if (type === undefined || type === '') return undefined
  if (type.length > MAX_TEXT || !TEXT.test(type))
    throw invalid(`Content-Type has more than ${MAX_TEXT} characters, or others than ASCII.`)
  return type
}

function expiryOf(headers: Headers): CreateRequest['expires'] {
  const text = one(headers, 'stream-expires-at')
  if (text === undefined) return undefined
  const at = new Date(text)
  if (!TIME.test(text) || Number.isNaN(at.getTime()))
    throw invalid('Stream-Expires-At is no time. Write it as RFC 3339: 2026-01-31T12:00:00Z.')
  return { text, at }
}

function producerOf(headers: Headers): ProducerClaim | undefined {
  const given = ['producer-id', 'producer-epoch', 'producer-seq'].filter(name => headers[name] !== undefined)
  if (given.length === 0) return undefined
  const id = text(headers, 'producer-id')
  const epoch = whole(headers, 'producer-epoch')?.number
  const seq = whole(headers, 'producer-seq')?.number
  if (id === undefined || epoch === undefined || seq === undefined)
    throw invalid('Send Producer-Id, Producer-Epoch and Producer-Seq together, or none of them.')
  return { id, epoch, seq }
}

function forkOf(headers: Headers, base: string): ForkRequest | undefined {
  const path = one(headers, 'stream-forked-from')
  const offset = one(headers, 'stream-fork-offset')
  const subOffset = whole(headers, 'stream-fork-sub-offset')?.number
  if (path === undefined) {
    if (offset === undefined && subOffset === undefined) return undefined
    throw invalid('Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From.')
  }
  return { from: nameAt(path, base), subOffset, ...forkOffset(offset) }
}

function forkOffset(text: string | undefined): Pick<ForkRequest, 'offset'> {
  if (text === undefined) return {}
  const place = parseOffset(text)
  if (place?.at === 'now') return {}
  if (place?.at !== 'after' || place.id === 'unknown')
    throw invalid('Stream-Fork-Offset is no offset. Send one as you received it in Stream-Next-Offset.')
  return { offset: place.id.position }
}

function text(headers: Headers, name: string): string | undefined {
  const value = one(headers, name)
  if (value === undefined || (value.length <= MAX_TEXT && TEXT.test(value))) return value
  throw invalid(`${name} is empty, has more than ${MAX_TEXT} characters, or others than ASCII.`)
}

function whole(headers: Headers, name: string): { text: string; number: number } | undefined {
  const text = one(headers, name)
  if (text === undefined) return undefined
  const number = Number(text)
  if (!WHOLE.test(text) || !Number.isSafeInteger(number))
    throw invalid(
      `${name} is not a whole number from 0 to 2^53 - 1, without a sign and without leading zeros.`,
    )
  return { text, number }
}

function one(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`${name} was sent more than once.`)
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-request', detail)
}
