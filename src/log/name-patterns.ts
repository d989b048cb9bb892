/**
 * A set of names, of streams or of types: exact names, and prefixes written with an asterisk at their end. No other character is
 * special, so each check takes linear time. The text of the set is in normal form: equal sets have equal keys.
 */
export class NamePatterns {
  static readonly ALL = NamePatterns.of(['*'])
  static readonly NONE = NamePatterns.of([])

  /** Equal for equal sets. No name is a key: the key of the empty set is `-`. */
  readonly key: string
  readonly #names: ReadonlySet<string>

  private constructor(
    /** Sorted; none of them begins with one of the prefixes. */
    readonly exact: readonly string[],
    /** Sorted, without the asterisk; none of them begins with another one. */
    readonly prefixes: readonly string[],
  ) {
    this.key = this.terms.join(',') || '-'
    this.#names = new Set(exact)
  }

  /** @param terms names, and prefixes that end in `*`; their form is the caller's business. */
  static of(terms: readonly string[]): NamePatterns {
    const beginnings = terms.filter(term => term.endsWith('*')).map(term => term.slice(0, -1))
    return NamePatterns.#from(
      terms.filter(term => !term.endsWith('*')),
      beginnings,
    )
  }

  static #from(names: readonly string[], beginnings: readonly string[]): NamePatterns {
    const prefixes = [...new Set(beginnings)].filter(prefix => !startsWithOther(prefix, beginnings)).sort()
    const exact = [...new Set(names)].filter(name => !prefixes.some(prefix => name.startsWith(prefix))).sort()
    return new NamePatterns(exact, prefixes)
  }

  get terms(): string[] {
    return [...this.exact, ...this.prefixes.map(prefix => `${prefix}*`)]
  }

  get matchesAll(): boolean {
    return this.prefixes[0] === ''
  }

  matches(name: string): boolean {
    return this.#names.has(name) || this.prefixes.some(prefix => name.startsWith(prefix))
  }

  /** Whether `other` matches every name that this set matches. */
  isWithin(other: NamePatterns): boolean {
    return (
      this.exact.every(name => other.matches(name)) && this.prefixes.every(prefix => other.covers(prefix))
    )
  }

  /** Whether it matches every name that begins with `prefix`. */
  covers(prefix: string): boolean {
    return this.prefixes.some(own => prefix.startsWith(own))
  }

  /** The names that both sets match. */
  and(other: NamePatterns): NamePatterns {
    if (other.matchesAll || other === this) return this
    if (this.matchesAll) return other
    const names = [
      ...this.exact.filter(name => other.matches(name)),
      ...other.exact.filter(name => this.matches(name)),
    ]
    const beginnings = [
      ...this.prefixes.filter(prefix => other.covers(prefix)),
      ...other.prefixes.filter(prefix => this.covers(prefix)),
    ]
    return NamePatterns.#from(names, beginnings)
  }
}

function startsWithOther(prefix: string, prefixes: readonly string[]): boolean {
  return prefixes.some(other => other !== prefix && prefix.startsWith(other))
}
