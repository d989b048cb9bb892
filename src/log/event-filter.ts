/**
 * The events that a client gets: those that the client wants, and those that it may read. A filter is a value that never
 * changes. `and` narrows it, so a grant or another rule can restrict what the client has asked for.
 *
 * No filter (undefined) selects every event, and costs nothing.
 */
import { ContentFilter } from './content-filter/content-filter.js'
import type { EventContent, FilteredEvent } from './content-filter/event-content.js'
import type { NamePatterns } from './name-patterns.js'
import { TypeFilter } from './type-filter.js'

/** The filters of a client, in the form in which it sends them. */
export interface FilterTexts {
  /** `item.*,revision.created`: at most 32 terms; `*` alone is every type. */
  readonly types?: string | undefined
  /** `data.project eq "A12"`: docs/protocol.md has the grammar. */
  readonly where?: string | undefined
}

export class EventFilter {
  /** Equal for filters that select the same events, so that they can share work. */
  readonly key: string

  private constructor(
    /** For the database: every event that matches has such a type. */
    readonly types: TypeFilter,
    /** The condition on the content, besides the types. */
    readonly where?: ContentFilter | undefined,
  ) {
    this.key = where ? `types=${types.key} where=${where.key}` : `types=${types.key}`
  }

  /**
   * The filter that a client asks for; undefined if it asks for none.
   * @throws {Problem} 400 `invalid-types` or `invalid-where`.
   */
  static of(texts: FilterTexts & { readonly where: string }): EventFilter
  static of(texts: FilterTexts): EventFilter | undefined
  static of({ types, where }: FilterTexts): EventFilter | undefined {
    if (types === undefined && where === undefined) return undefined
    const content = where === undefined ? undefined : ContentFilter.parse(where)
    return new EventFilter(TypeFilter.parse(types ?? '*'), content)
  }

  /**
   * The events of some types.
   * @param types as in FilterTexts.
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
    if (other === undefined) return this
    const where = this.where && other.where ? this.where.and(other.where) : (this.where ?? other.where)
    return new EventFilter(this.types.and(other.types), where)
  }

  /** @param content of this event, if several filters are to share what they find in it. */
  matches(event: FilteredEvent, content?: EventContent): boolean {
    return this.types.matches(event.type) && (this.where?.matches(event, content) ?? true)
  }
}

/** The events that match both filters. Undefined is a filter that every event matches. */
export function bothFilters(
  one: EventFilter | undefined,
  other: EventFilter | undefined,
): EventFilter | undefined {
  return one === undefined ? other : one.and(other)
}
