/** Where values of a valid JSON text begin and end, without parsing it. Linear in the text, whatever it contains. */

export const QUOTE = 34
export const BACKSLASH = 92
export const OPEN_BRACE = 123
export const CLOSE_BRACE = 125
export const OPEN_BRACKET = 91
export const CLOSE_BRACKET = 93
export const COMMA = 44
/** Every space and control character is less than all others. */
const SPACE = 32
/** A string up to this length is read character by character. */
const SHORT_LENGTH = 32

export function afterSpace(json: string, start: number): number {
  let at = start
  while (json.charCodeAt(at) <= SPACE) at += 1
  return at
}

/** @param start of its first character. */
export function endOfValue(json: string, start: number): number {
  const first = json.charCodeAt(start)
  if (first === QUOTE) return endOfString(json, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfContainer(json, start)
  let at = start
  for (let unit = first; unit > SPACE && !ends(unit); unit = json.charCodeAt(at)) at += 1
  return at
}

function ends(unit: number): boolean {
  return unit === COMMA || unit === CLOSE_BRACE || unit === CLOSE_BRACKET
}

function endOfContainer(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) at = endOfString(json, at) - 1
    else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth += 1
    else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return json.length
}

/** @param start of its first quote. @returns the place after its second one. */
export function endOfString(json: string, start: number): number {
  const soon = start + SHORT_LENGTH
  let at = start + 1
  for (; at < soon; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) return at + 1
    if (unit === BACKSLASH) at += 1
  }
  // In long strings the search for the quote is faster than a look at each character.
  let quote = json.indexOf('"', at)
  while (quote >= 0 && isEscaped(json, at, quote)) quote = json.indexOf('"', quote + 1)
  return quote < 0 ? json.length : quote + 1
}

/** Whether an odd number of backslashes precedes the quote; those before `from` belong to other escapes. */
function isEscaped(json: string, from: number, quote: number): boolean {
  let at = quote
  while (at > from && json.charCodeAt(at - 1) === BACKSLASH) at -= 1
  return (quote - at) % 2 === 1
}
