/** How many bytes a text takes in JSON, as `JSON.stringify` writes it in UTF-8 (RFC 8259 §7). */

/** A control character without a short escape, and a lone surrogate: `\u0000`. No UTF-16 unit takes more. */
const ESCAPED_BYTES = 6
const SHORT_ESCAPES = '\b\t\n\f\r"\\'

/**
 * The end of the longest part of `text` from `from` on that takes at most `bytes` in JSON, without its quotes. It never
 * separates a surrogate pair. The cost is linear in the length of the part.
 */
export function endWithin(text: string, from: number, bytes: number): number {
  if ((text.length - from) * ESCAPED_BYTES <= bytes) return text.length
  let left = bytes
  let end = from
  while (end < text.length) {
    const code = text.codePointAt(end) ?? 0
    left -= bytesOf(code)
    if (left < 0) return end
    end += code > 0xffff ? 2 : 1
  }
  return end
}

function bytesOf(code: number): number {
  if (code < 0x80) {
    if (SHORT_ESCAPES.includes(String.fromCharCode(code))) return 2
    return code < 0x20 ? ESCAPED_BYTES : 1
  }
  if (code < 0x800) return 2
  if (code > 0xffff) return 4
  return code >= 0xd800 && code <= 0xdfff ? ESCAPED_BYTES : 3
}
