/** A page for a caller that may see only some of the rows, which only a question about each of them says. */
import type { PageRequest } from './page-query.js'

/** Reads for one page. With the largest page, this many times MAX_PAGE rows are asked about. */
const MAX_READS = 5

/**
 * Reads on while rows of the page are left out, so that it is full. After MAX_READS it may have fewer rows, or none, before its
 * `next_cursor`.
 * @param visible those of the rows that the caller may see, in their order.
 */
export async function filledPage<Row>(
  { limit, cursor }: PageRequest,
  read: (request: PageRequest) => Promise<{ rows: readonly Row[]; next_cursor: string | null }>,
  visible: (rows: readonly Row[]) => Promise<readonly Row[]>,
): Promise<{ rows: Row[]; next_cursor: string | null }> {
  const rows: Row[] = []
  let next = cursor
  for (let reads = 0; reads < MAX_READS; reads++) {
    const page = await read({ limit: limit - rows.length, cursor: next })
    rows.push(...(await visible(page.rows)))
    if (page.next_cursor === null || rows.length === limit) return { rows, next_cursor: page.next_cursor }
    next = page.next_cursor
  }
  return { rows, next_cursor: next ?? null }
}
