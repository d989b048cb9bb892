/**
 * Checks of an item's content that a schema cannot express: every text in it, keys included, must be storable, and
 * its properties are bounded in depth and bytes. Callers other than the routes use these checks too.
 */
import { Problem } from '../problems/problem.js'
import { MAX_PROPERTIES_BYTES, MAX_PROPERTIES_DEPTH } from './item.js'

// Postgres refuses U+0000; an unpaired surrogate has no UTF-8 form and would be stored as U+FFFD.
const UNSTORABLE = /\0|\p{Surrogate}/u

/**
 * @throws {Problem} 400 `invalid-text`, `properties-too-deep` or `properties-too-large`; the text names the place.
 */
export function requireStorable(given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given)) {
    requireTexts(value, name, name === 'properties' ? MAX_PROPERTIES_DEPTH : 1)
  }
  const bytes = Buffer.byteLength(JSON.stringify(given.properties) ?? '')
  if (bytes > MAX_PROPERTIES_BYTES) {
    const detail = `The properties are ${bytes} bytes long, and at most ${MAX_PROPERTIES_BYTES} are kept. Shorten them.`
    throw new Problem(400, 'properties-too-large', detail)
  }
}

function requireTexts(value: unknown, name: string, levels: number): void {
  if (typeof value === 'string') requireText(value, name)
  if (typeof value !== 'object' || value === null) return
  if (levels === 0) {
    const detail = `The ${name} are nested deeper than ${MAX_PROPERTIES_DEPTH} levels. Flatten them.`
    throw new Problem(400, 'properties-too-deep', detail)
  }
  for (const [key, inner] of Object.entries(value)) {
    requireText(key, name)
    requireTexts(inner, name, levels - 1)
  }
}

function requireText(text: string, name: string): void {
  if (!UNSTORABLE.test(text)) return
  const detail = `A text in '${name}' holds U+0000 or half a surrogate pair, which cannot be stored. Remove it.`
  throw new Problem(400, 'invalid-text', detail)
}
