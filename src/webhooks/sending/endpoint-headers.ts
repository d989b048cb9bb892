/** Headers that the owner of an endpoint adds to its requests, such as a key of the receiver. */

export const MAX_HEADERS = 10
export const MAX_HEADER_VALUE = 2_048

/** A token (RFC 9110 §5.6.2). */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/i
/** Visible characters, and spaces and tabs between them (RFC 9110 §5.5). */
const VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/
/** Headers of the connection (RFC 9110 §7.6.1), of the framing and the body, and those by which a proxy chooses the receiver. */
const NOT_THEIRS: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
  'traceparent',
  'tracestate',
])
const OURS = /^(?:webhook-|sluice-|ce-|x-forwarded-)/

/** Why an endpoint cannot have this header, as a sentence with the remedy; undefined if it can. The value is never quoted. */
export function headerFault(name: string, value: string): string | undefined {
  if (!NAME.test(name))
    return `${JSON.stringify(name.slice(0, 64))} is not a header name. Use letters, digits and -.`
  const lowerCase = name.toLowerCase()
  if (NOT_THEIRS.has(lowerCase) || OURS.test(lowerCase)) {
    return `The header ${name} is set by Sluice or belongs to the connection. Remove it.`
  }
  if (value.length > MAX_HEADER_VALUE) {
    return `The value of ${name} has ${value.length} characters; the limit is ${MAX_HEADER_VALUE}. Shorten it.`
  }
  return VALUE.test(value)
    ? undefined
    : `The value of ${name} must be printable ASCII, without a space at either end. Encode it.`
}
