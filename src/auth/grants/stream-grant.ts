/**
 * The rights of a caller on one stream. A grant keeps the names of the stream: while a stream or a request is open, the caller may get
 * other grants, and they are compared with these names.
 */
import { bothFilters, EventFilter } from '../../log/event-filter.js'
import { NamePatterns } from '../../log/name-patterns.js'
import type { Problem } from '../../problems/problem.js'
import type { StreamAction } from './decision.js'
import type { Answered } from './decisions.js'
import type { Grants } from './grants.js'

/** Something that lasts, and that other grants of the same caller may no longer allow. */
export interface Granted {
  /** @throws {Problem} the refusal of a new request, if these grants no longer allow all of it. */
  assertHeldBy(grants: Grants | undefined): void
  /**
   * Watches whether a decision at run time still allows it, for something that stays open.
   * @param changed called when to ask `assertHeldBy` again.
   * @returns a function that stops watching.
   */
  readonly watch?: ((changed: () => void) => () => void) | undefined
}

export interface StreamGrant extends Granted {
  /** For types that are not known before. @throws {Problem} the refusal, if the type is not granted. */
  assertType(type: string): void
  /** Whether all of the types are granted. */
  includes(types: readonly string[]): boolean
  /** The events that the caller may read there, of those that it wants; undefined: all. */
  within(wanted: EventFilter | undefined): EventFilter | undefined
}

export interface StreamUse {
  readonly action: StreamAction
  /** The stream goes by any of these. */
  readonly names: readonly string[]
  /** Types that must be granted, all of them. Without any, a reader gets the events of those that are. */
  readonly types: readonly string[]
  refusal(): Problem
}

/**
 * @param answered the decision at run time, beside the grants; default: it allows all.
 * @throws {Problem} the refusal, if the grants or the decision leave the stream or one of the types out.
 */
export function grantOn(grants: Grants | undefined, use: StreamUse, answered?: Answered): StreamGrant {
  const grant = new GrantOnUse(grants, use, answered)
  grant.assertHeldBy(grants)
  return grant
}

/** An object without closures, because each open stream keeps one. */
class GrantOnUse implements StreamGrant {
  readonly watch: Granted['watch']
  readonly #use: StreamUse
  readonly #answered: Answered | undefined
  readonly #granted: NamePatterns
  readonly #needed: NamePatterns

  constructor(grants: Grants | undefined, use: StreamUse, answered: Answered | undefined) {
    this.watch = answered?.watch
    this.#use = use
    this.#answered = answered
    this.#granted = (grants?.types ?? NamePatterns.ALL).and(answered?.types ?? NamePatterns.ALL)
    this.#needed = use.types.length > 0 ? NamePatterns.of(use.types) : this.#granted
  }

  within(wanted: EventFilter | undefined): EventFilter | undefined {
    return bothFilters(EventFilter.ofGranted(this.#granted), wanted)
  }

  includes(wanted: readonly string[]): boolean {
    return NamePatterns.of(wanted).isWithin(this.#granted)
  }

  assertType(type: string): void {
    if (!this.#granted.matches(type)) throw this.#use.refusal()
  }

  assertHeldBy(grants: Grants | undefined): void {
    if (grants && !this.#allows(grants)) throw this.#use.refusal()
    if (this.#answered && !this.#isDecided(this.#answered.types)) throw this.#use.refusal()
  }

  #allows(grants: Grants): boolean {
    const { action, names } = this.#use
    return names.some(name => grants[action].matches(name)) && this.#needed.isWithin(grants.types)
  }

  #isDecided(now: NamePatterns): boolean {
    return now.key !== NamePatterns.NONE.key && this.#needed.isWithin(now)
  }
}
