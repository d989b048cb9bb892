/** A list of the gateway as a table, with its states: loading, failed, empty, and more to read. */
import type { ComponentChildren } from 'preact'
import type { Pages } from '../api/use-pages.ts'
import { Failure } from './failure.tsx'
import { Loading } from './loading.tsx'
import { Table, type TableProps } from './table.tsx'

export interface PagedTableProps<T> extends Omit<TableProps<T>, 'entries'> {
  readonly pages: Pages<T>
  /** In the place of a table without rows: the next step. */
  readonly empty: ComponentChildren
}

export function PagedTable<T>({ pages, empty, ...table }: PagedTableProps<T>) {
  const { data, failure, retryAt, isLoading, hasMore, more, reload } = pages
  return (
    <>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!data && !failure && <Loading what={table.caption} />}
      {data?.length === 0 && !failure && empty}
      {data !== undefined && data.length > 0 && <Table {...table} entries={data} />}
      {data && hasMore && (
        <p class="more">
          <button type="button" class="quiet" disabled={isLoading} onClick={more}>
            Show more
          </button>
        </p>
      )}
    </>
  )
}
