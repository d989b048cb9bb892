/** A list of types and prefixes, as in the parameter `types` of the gateway. */
import { UsageError } from '../../src/process/usage.js'
import type { Parse } from './option.js'

const TERM = /^(\*|[A-Za-z][A-Za-z0-9._:/-]{0,127}\*?)$/

export const typeTerms: Parse<readonly string[]> = (given, name) => {
  const terms = given.split(',').map(term => term.trim())
  const wrong = terms.find(term => !TERM.test(term))
  if (wrong === undefined) return terms
  throw new UsageError(
    `${name} must be types or prefixes that end in *, separated by commas: ${JSON.stringify(wrong)} is neither.`,
  )
}

/** Whether a term is this type, or a prefix of it. */
export function matchesTypes(type: string, terms: readonly string[] = []): boolean {
  return terms.some(term => (term.endsWith('*') ? type.startsWith(term.slice(0, -1)) : type === term))
}
