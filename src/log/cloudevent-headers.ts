/**
 * CloudEvents in binary mode: attributes are headers `ce-…`, the body is the data
 * (https://github.com/cloudevents/spec, http-protocol-binding.md, §3.1).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '../problems/problem.js'

const PREFIX = 'ce-'
/** Characters that a header may contain; all others are percent-encoded (§3.1.3.2). */
const PRINTABLE = /^[\x20-\x7e]*$/

/** Whether a request is one CloudEvent in binary mode. */
export function isBinaryMode(headers: IncomingHttpHeaders): boolean {
  return headers[`${PREFIX}specversion`] !== undefined
}

/**
 * The CloudEvent in the JSON format, for fromCloudEvent.
 * @param data the parsed body
 * @throws {Problem} 400 `invalid-cloudevent` for a header that cannot be decoded.
 */
export function structured(headers: IncomingHttpHeaders, data: unknown): Record<string, unknown> {
  const attributes = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(PREFIX) && typeof value === 'string'
      ? [[name.slice(PREFIX.length), decoded(name, value)]]
      : [],
  )
  return { ...Object.fromEntries(attributes), datacontenttype: headers['content-type'], data }
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
