/**
 * The types of events that a client wants: exact names, or prefixes that end in `*`. No other character is special, so a
 * client cannot send a regular expression.
 */
import { Problem } from '../problems/problem.js'
import { EVENT_TYPE_PATTERN } from './event.js'
import { NamePatterns } from './name-patterns.js'

const MAX_TERMS = 32

const NAME = new RegExp(EVENT_TYPE_PATTERN)
/** A prefix of a name, up to all of its 128 characters; the empty prefix means every type. */
const PREFIX = /^(?:[A-Za-z][A-Za-z0-9._:/-]{0,127})?$/

export type TypeFilter = NamePatterns

export const TypeFilter = {
  /**
   * @param text `item.*,revision.created`: at most 32 terms; `*` alone is every type.
   * @throws {Problem} 400 `invalid-types`.
   */
  parse(text: string): TypeFilter {
    // The limit prevents a hostile list from being split completely.
    const terms = text.split(',', MAX_TERMS + 1)
    if (terms.length > MAX_TERMS) throw invalid(`It has more than ${MAX_TERMS} terms.`)
    for (const term of terms) {
      const [pattern, name] = term.endsWith('*') ? [PREFIX, term.slice(0, -1)] : [NAME, term]
      if (!pattern.test(name)) throw invalid(`${JSON.stringify(term.slice(0, 140))} is neither.`)
    }
    return NamePatterns.of(terms)
  },
}

function invalid(reason: string): Problem {
  return new Problem(
    400,
    'invalid-types',
    `types is a list of event types, or beginnings of them with an asterisk, such as item.*,revision.created. ${reason}`,
  )
}
