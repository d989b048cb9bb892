/**
 * CloudEvents in binary mode: attributes are headers `ce-…`, the body is the data
 * (https://github.com/cloudevents/spec, http-protocol-binding.md, §3.1).
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../problems/problem.js'

const PREFIX = 'ce-'
const TEXT = /^(?:text\/|[^;]*[/+]xml\s*(?:;|$))/i
/** Characters that a header may contain; all others are percent-encoded (§3.1.3.2). */
const PRINTABLE = /^[\x20-\x7e]*$/

/** Whether a request is one CloudEvent in binary mode. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers[`${PREFIX}specversion`] !== undefined
}

/**
 * The CloudEvent in the JSON format, for fromCloudEvent.
 * @param body parsed if it is JSON, else its bytes: they become `data` if they are a text, else `data_base64`. No bytes are no data.
 * @throws {Problem} 400 `invalid-cloudevent` for a header that cannot be decoded.
 */
export function structured(headers: IncomingHttpHeaders, body: unknown): Record<string, unknown> {
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(PREFIX) && typeof value === 'string'
      ? [[name.slice(PREFIX.length), decoded(name, value)]]
      : [],
  )
  const datacontenttype = headers['content-type']
  return { ...Object.fromEntries(attributes), datacontenttype, ...dataOf(body, datacontenttype) }
}

function dataOf(body: unknown, mediaType = ''): { data?: unknown } | { data_base64: string } {
  if (!Buffer.isBuffer(body)) return { data: body }
  if (body.length === 0) return {}
  return TEXT.test(mediaType) && isUtf8(body)
    ? { data: body.toString() }
    : { data_base64: body.toString('base64') }
}

/** First quoted strings (RFC 7230 §3.2.6), then percent-encoding (RFC 3986 §2.1), once. */
function decoded(name: string, value: string): string {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
  const text = isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  if (PRINTABLE.test(text)) {
    try {
      return decodeURIComponent(text)
    } catch {
      // Not UTF-8, or a % that starts no escape.
    }
  }
  throw new Problem(400, 'invalid-cloudevent', `The header ${name} is not percent-encoded UTF-8. Encode it.`)
}
