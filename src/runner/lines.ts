/**
 * Splits the bytes of one output into lines. It works on bytes until a line is complete, so that a character at a
 * chunk's border is never torn; the lines do not depend on where chunks begin and end.
 *
 * - A line ends with LF, CR LF, or CR alone: each state of a progress bar is a line, and is visible when it is drawn.
 *   Several CRs in a row count as one, and a CR alone at the start of a line ends nothing.
 * - The last line may lack an end.
 * - Invalid UTF-8 becomes U+FFFD, and the line is marked. Everything else stays, including colours (ESC) and NUL.
 * - A line of more than 16 KiB, or of more than 56 KiB in JSON, becomes several parts; each except the last is marked as
 *   continued.
 * - The cost is linear in the number of bytes, even if a command writes them one by one.
 */
import { isUtf8 } from 'node:buffer'
import { GrowingBytes } from '../bytes/growing-bytes.js'
import { endWithin } from '../bytes/json-text.js'

/** Size of one part of a line in UTF-8, before it is encoded as JSON (which makes it at most six times longer). */
export const MAX_LINE_BYTES = 16 * 1024
/** Size of one part in JSON: many programs read lines of at most 64 KiB, and the part is the text of an event on a line. */
export const MAX_JSON_BYTES = 56 * 1024
const REPLACEMENT = '\ufffd'

const LF = 0x0a
const CR = 0x0d
/** The maximum number of bytes after the first byte of a character in UTF-8. */
const MAX_CONTINUATION_BYTES = 3

export interface Line {
  readonly text: string
  /** The same line continues in the next one. */
  readonly continues: boolean
  /** It contains U+FFFD in place of bytes that are not UTF-8. */
  readonly replaced?: true
}

export class LineSplitter {
  /** The bytes of the line that has not ended yet. */
  readonly #open = new GrowingBytes()
  /** Whether a CR has ended the previous line: a following CR or LF belongs to that end. */
  #afterCr = false

  /** The lines that end with this chunk. */
  push(chunk: Buffer): Line[] {
    const seen = this.#open.length
    const isOpen = seen + chunk.length <= MAX_LINE_BYTES && !chunk.includes(LF) && !chunk.includes(CR)
    this.#open.add(chunk)
    if (isOpen) return []
    const bytes = this.#open.take()
    const lines: Line[] = []
    let from = 0
    let lf = indexOf(bytes, LF, seen)
    let cr = indexOf(bytes, CR, seen)
    for (;;) {
      const end = Math.min(lf, cr)
      while (end - from > MAX_LINE_BYTES) {
        const cut = characterBorder(bytes, from + MAX_LINE_BYTES)
        lines.push(...partsOf(bytes.subarray(from, cut), true))
        from = cut
      }
      if (end === bytes.length) break
      if (this.#ends(bytes[end] === LF, end === from))
        lines.push(...partsOf(bytes.subarray(from, end), false))
      from = end + 1
      if (end === lf) lf = indexOf(bytes, LF, from)
      else cr = indexOf(bytes, CR, from)
    }
    this.#open.add(bytes.subarray(from))
    return lines
  }

  /** The last line, if it has no end. */
  end(): Line[] {
    return this.#open.length === 0 ? [] : partsOf(this.#open.take(), false)
  }

  /** Whether a line ends at this LF, or else CR; `empty` if nothing precedes it. */
  #ends(isLf: boolean, empty: boolean): boolean {
    const afterCr = this.#afterCr && empty
    this.#afterCr = !isLf && (afterCr || !empty)
    return isLf ? !afterCr : !empty
  }
}

/** Usually one: only text with many control characters is longer in JSON than a part may be. */
function partsOf(bytes: Buffer, continues: boolean): Line[] {
  const whole = bytes.toString('utf8')
  const replaces = !isUtf8(bytes)
  const parts: Line[] = []
  for (let from = 0; from < whole.length || parts.length === 0; ) {
    const end = endWithin(whole, from, MAX_JSON_BYTES)
    const text = whole.slice(from, end)
    const replaced = replaces && text.includes(REPLACEMENT)
    parts.push({ text, continues: continues || end < whole.length, ...(replaced && { replaced }) })
    from = end
  }
  return parts
}

/** The length if there is none. */
function indexOf(bytes: Buffer, byte: number, from: number): number {
  const index = bytes.indexOf(byte, from)
  return index < 0 ? bytes.length : index
}

/** `at`, or the start of the character that a cut there would tear. */
function characterBorder(bytes: Buffer, at: number): number {
  for (let border = at; border >= at - MAX_CONTINUATION_BYTES; border -= 1) {
    if (((bytes[border] ?? 0) & 0xc0) !== 0x80) return border
  }
  return at
}
