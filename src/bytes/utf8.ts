/**
 * Text from foreign bytes. Bytes that are not UTF-8 are refused: a decoder that substitutes U+FFFD would store a text
 * that nobody sent, and make two names equal. A caller may send U+FFFD itself.
 */
import { isUtf8 } from 'node:buffer'
import { Problem } from '../problems/problem.js'

const BYTE_ORDER_MARK = '\ufeff'
const ESCAPED = /(?:%[0-9a-f]{2})+/gi

/**
 * @param what the name of the bytes for the caller: `The body`.
 * @throws {Problem} 400 `invalid-utf8`.
 */
export function textOf(bytes: Buffer, what: string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const detail = `${what} is not UTF-8. Encode it as UTF-8; nothing of it was stored.`
  throw new Problem(400, 'invalid-utf8', detail)
}

/** Programs on Windows write it at the start of a file, where it is not part of the text (RFC 8259 §8.1). */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text
}

/** Whether the percent-encoded bytes in `url` are UTF-8. */
export function isEscapedUtf8(url: string): boolean {
  for (const [escaped] of url.matchAll(ESCAPED)) {
    if (!isUtf8(Buffer.from(escaped.replaceAll('%', ''), 'hex'))) return false
  }
  return true
}
