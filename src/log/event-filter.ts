/**
 * The events that a client gets: those that the client wants, and those that it may read. A filter is a value that never
 * changes. `and` narrows it, so a grant or another rule can restrict what the client has asked for.
 *
 * No filter (undefined) selects every event, and costs nothing.
 */
import type { StoredEvent } from './event.js'
import type { NamePatterns } from './name-patterns.js'
import { TypeFilter } from './type-filter.js'

export class EventFilter {
  /** Equal for filters that select the same events, so that they can share work. */
  readonly key: string

  private constructor(
    /** For the database: every event that matches has such a type. */
    readonly types: TypeFilter,
  ) {
    this.key = `types=${types.key}`
  }

  /**
   * The events of some types.
   * @param types `item.*,revision.created`: at most 32 terms; `*` alone is every type.
   * @throws {Problem} 400 `invalid-types`.
   */
  static ofTypes(types: string): EventFilter {
    return new EventFilter(TypeFilter.parse(types))
  }

  /** The events of granted types, perhaps none; undefined if all types are granted. */
  static ofGranted(types: NamePatterns): EventFilter | undefined {
    return types.matchesAll ? undefined : new EventFilter(types)
  }

  /** The events that match both filters; perhaps none. */
  and(other: EventFilter | undefined): EventFilter {
    return other === undefined ? this : new EventFilter(this.types.and(other.types))
  }

  matches({ type }: Pick<StoredEvent, 'type' | 'data'>): boolean {
    return this.types.matches(type)
  }
}

/** The events that match both filters. Undefined is a filter that every event matches. */
export function bothFilters(
  one: EventFilter | undefined,
  other: EventFilter | undefined,
): EventFilter | undefined {
  return one === undefined ? other : one.and(other)
}
