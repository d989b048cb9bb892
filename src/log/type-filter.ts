/**
 * The types of events that a client wants: exact names, or prefixes that end in `*`. No other character is special, so a
 * client cannot send a regular expression.
 */
import { Problem } from '../problems/problem.js'
import { EVENT_TYPE_PATTERN } from './event.js'

const MAX_TERMS = 32

const NAME = new RegExp(EVENT_TYPE_PATTERN)
/** A prefix of a name, up to all of its 128 characters; the empty prefix means every type. */
const PREFIX = /^(?:[A-Za-z][A-Za-z0-9._:/-]{0,127})?$/

export class TypeFilter {
  /** Equal for filters that select the same types, so that they can share work. */
  readonly key: string
  readonly #names: ReadonlySet<string>

  private constructor(
    /** Sorted; none of them begins with one of the prefixes. */
    readonly exact: readonly string[],
    /** Sorted, without the asterisk; none of them begins with another one. */
    readonly prefixes: readonly string[],
  ) {
    this.key = [...exact, ...prefixes.map(prefix => `${prefix}*`)].join(',')
    this.#names = new Set(exact)
  }

  /**
   * @param text `item.*,revision.created`: at most 32 terms; `*` alone is every type.
   * @throws {Problem} 400 `invalid-types`.
   */
  static parse(text: string): TypeFilter {
    // The limit prevents a hostile list from being split completely.
    const terms = text.split(',', MAX_TERMS + 1)
    if (terms.length > MAX_TERMS) throw invalid(`It has more than ${MAX_TERMS} terms.`)
    const names = new Set<string>()
    const beginnings = new Set<string>()
    for (const term of terms) {
      if (term.endsWith('*')) beginnings.add(requireMatch(PREFIX, term.slice(0, -1), term))
      else names.add(requireMatch(NAME, term, term))
    }
    return TypeFilter.#of(names, beginnings)
  }

  static #of(names: ReadonlySet<string>, beginnings: ReadonlySet<string>): TypeFilter {
    const prefixes = [...beginnings].filter(prefix => !startsWithOther(prefix, beginnings)).sort()
    const exact = [...names].filter(name => !prefixes.some(prefix => name.startsWith(prefix))).sort()
    return new TypeFilter(exact, prefixes)
  }

  /** The types that match both. It has at most the terms of the two together; none if no type matches both. */
  and(other: TypeFilter): TypeFilter {
    const names = [
      ...this.exact.filter(name => other.matches(name)),
      ...other.exact.filter(name => this.matches(name)),
    ]
    const beginnings = [...this.#within(other), ...other.#within(this)]
    return TypeFilter.#of(new Set(names), new Set(beginnings))
  }

  /** The prefixes that begin with a prefix of the other filter. */
  #within(other: TypeFilter): string[] {
    return this.prefixes.filter(prefix => other.prefixes.some(beginning => prefix.startsWith(beginning)))
  }

  matches(type: string): boolean {
    return this.#names.has(type) || this.prefixes.some(prefix => type.startsWith(prefix))
  }
}

function requireMatch(pattern: RegExp, text: string, term: string): string {
  if (!pattern.test(text)) throw invalid(`${JSON.stringify(term.slice(0, 140))} is neither.`)
  return text
}

function startsWithOther(prefix: string, prefixes: ReadonlySet<string>): boolean {
  return [...prefixes].some(other => other !== prefix && prefix.startsWith(other))
}

function invalid(reason: string): Problem {
  return new Problem(
    400,
    'invalid-types',
    `types is a list of event types, or beginnings of them with an asterisk, such as item.*,revision.created. ${reason}`,
  )
}
