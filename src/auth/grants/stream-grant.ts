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
  watch?(changed: () => void): () => void
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
export function grantOn(
  grants: Grants | undefined,
  { action, names, types, refusal }: StreamUse,
  answered?: Answered,
): StreamGrant {
  const granted = (grants?.types ?? NamePatterns.ALL).and(answered?.types ?? NamePatterns.ALL)
  const needed = types.length > 0 ? NamePatterns.of(types) : granted
  const allows = (given: Grants) =>
    names.some(name => given[action].matches(name)) && needed.isWithin(given.types)
  const isDecided = (now: NamePatterns) => now.key !== NamePatterns.NONE.key && needed.isWithin(now)
  const grant = {
    within: (wanted: EventFilter | undefined) => bothFilters(EventFilter.ofGranted(granted), wanted),
    includes: (wanted: readonly string[]) => NamePatterns.of(wanted).isWithin(granted),
    assertType(type: string) {
      if (!granted.matches(type)) throw refusal()
    },
    assertHeldBy(given: Grants | undefined) {
      if (given && !allows(given)) throw refusal()
      if (answered && !isDecided(answered.types)) throw refusal()
    },
    ...(answered && { watch: answered.watch }),
  }
  grant.assertHeldBy(grants)
  return grant
}
