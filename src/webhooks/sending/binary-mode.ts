/**
 * A CloudEvent in binary mode (https://github.com/cloudevents/spec, http-protocol-binding.md, §3.1): attributes are headers, the body is
 * the data. The reverse of log/cloudevent-headers.ts.
 */
import { isJson } from '../../bytes/media-type.js'
import type { CloudEventParts } from '../../sse/cloudevents.js'

/** Most servers take 8 KiB of headers, and others than these are in the request too. */
const MAX_HEADER_BYTES = 6 * 1_024
const JSON_TYPE = 'application/json'
const HEADER_TEXT = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
/** A space, a quotation mark, a percent sign, and all that is not printable ASCII (§3.1.3.2). */
const ENCODED = /[^\x21\x23\x24\x26-\x7e]+/g

/** A body and the headers that describe it. */
export interface Content {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Undefined if the attributes do not fit into headers: they are too long, or the media type is none. */
export function binaryMode({ attributes, data }: CloudEventParts): Content | undefined {
  const { datacontenttype, ...others } = attributes
  const mediaType = String(datacontenttype ?? JSON_TYPE)
  if (!HEADER_TEXT.test(mediaType)) return undefined
  const headers = Object.fromEntries(
    Object.entries(others).map(([name, value]) => [`ce-${name}`, encoded(String(value))]),
  )
  const bytes = Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + value.length + 4,
    0,
  )
  if (bytes + mediaType.length > MAX_HEADER_BYTES) return undefined
  return {
    headers: data ? { ...headers, 'content-type': mediaType } : headers,
    body: bodyOf(data, mediaType),
  }
}

function bodyOf(data: CloudEventParts['data'], mediaType: string): Buffer {
  if (!data) return Buffer.alloc(0)
  if (data.member === 'data_base64') return Buffer.from(String(JSON.parse(data.text)), 'base64')
  // In JSON, data of another media type is a string that holds it (json-format.md, §3.1.1).
  const held: unknown = isJson(mediaType) ? undefined : JSON.parse(data.text)
  return Buffer.from(typeof held === 'string' ? held : data.text)
}

function encoded(value: string): string {
  return value.replace(ENCODED, text => Buffer.from(text).toString('hex').toUpperCase().replace(/../g, '%$&'))
}
