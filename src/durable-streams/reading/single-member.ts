/**
 * The value of the only member of a JSON object, as text: digits, spaces and the order of keys stay as they were written. The text is
 * valid JSON, because the database has checked it. Linear in the text: strings are skipped by search, not character by character.
 */

const QUOTE = 34
const BACKSLASH = 92
const COMMA = 44
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93

/** @returns undefined if the object has another member, or others besides. */
export function memberOf(object: string, name: string): string | undefined {
  const key = `"${name}"`
  const first = object.indexOf('"')
  if (first < 0 || !object.startsWith(key, first)) return undefined
  const start = object.indexOf(':', first + key.length) + 1
  const end = endOfOnly(object, start)
  return end === undefined ? undefined : object.slice(start, end).trim()
}

/** Where the object ends that has a value at `start`; undefined if another member follows. */
function endOfOnly(object: string, start: number): number | undefined {
  let depth = 0
  for (let at = start; at < object.length; at += 1) {
    const code = object.charCodeAt(at)
    if (code === QUOTE) at = endOfString(object, at)
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1
    else if (code === COMMA && depth === 0) return undefined
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth === 0) return at
      depth -= 1
    }
  }
  return undefined
}

/** The position of the quote that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before -= 1
    if ((at - before) % 2 === 1) return at
  }
  return text.length
}
