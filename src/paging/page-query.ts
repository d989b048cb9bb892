/** The query parameters of a page of a list, and the cursor of the next page. */
import Type from 'typebox'

export const MAX_PAGE = 200

/** A request for a page, without the filters of the list. */
export interface PageRequest {
  /** Rows on the page, 1 to MAX_PAGE. */
  readonly limit: number
  /** The `next_cursor` of the previous page; undefined: the first page. */
  readonly cursor?: string | undefined
}

/** The query parameters `limit` and `cursor`, to spread into the query of a list. */
export function pageQuery(limitDescription: string, defaultLimit = 50) {
  return {
    limit: Type.Integer({
      minimum: 1,
      maximum: MAX_PAGE,
      default: defaultLimit,
      description: limitDescription,
    }),
    cursor: Type.Optional(
      Type.String({ maxLength: 256, description: 'The `next_cursor` of the previous page, unchanged.' }),
    ),
  }
}

/** The cursor of the next page, a member of every page. */
export const NextCursor = Type.Union([Type.String(), Type.Null()], { description: 'Null on the last page.' })
