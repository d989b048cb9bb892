/**
 * The elements of a JSON array as texts, as they were written: digits, spaces and the order of keys stay. The text is valid JSON, because
 * it was parsed before. Linear in the text.
 */
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  endOfString,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from '../bytes/json-places.js'

export interface JsonElements {
  readonly texts: readonly string[]
  /** Levels of objects and arrays within the deepest element; 0: it is neither. */
  readonly levels: number
}

/** The elements of an array, or the one value that the text is (PROTOCOL §9.1: an array is flattened by one level). */
export function elementsOf(text: string): JsonElements {
  const trimmed = text.trim()
  const isArray = trimmed.charCodeAt(0) === OPEN_BRACKET
  const texts: string[] = []
  let depth = isArray ? -1 : 0
  let levels = 0
  let start = isArray ? 1 : 0
  for (let at = 0; at < trimmed.length; at += 1) {
    const code = trimmed.charCodeAt(at)
    if (code === QUOTE) at = endOfString(trimmed, at) - 1
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1
      levels = Math.max(levels, depth)
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1
    else if (code === COMMA && depth === 0 && isArray) {
      texts.push(trimmed.slice(start, at))
      start = at + 1
    }
  }
  const last = trimmed.slice(start, isArray ? -1 : undefined)
  if (last.trim() !== '') texts.push(last)
  // A line end is between tokens, and each element becomes one line of a stream.
  return { texts: texts.map(element => element.trim().replace(/[\r\n]+/g, ' ')), levels }
}
