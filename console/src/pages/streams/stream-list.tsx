/** All streams of the workspace by name, read again every few seconds. */
import type { StreamDocument } from '../../../../src/streams/stream-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge } from '../../pieces/badge.tsx'
import { size } from '../../pieces/duration.ts'
import { Empty } from '../../pieces/empty.tsx'
import { FilterForm } from '../../pieces/filter-form.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { hrefOf } from '../../shell/route.ts'
import { rateText, useRates } from './use-rates.ts'

interface StreamPage {
  readonly streams: readonly StreamDocument[]
  readonly next_cursor: string | null
}

export const REFRESH_MS = 5_000

export function StreamList({ query }: { query: URLSearchParams }) {
  const prefix = query.get('prefix') ?? ''
  const pages = usePages<StreamPage, StreamDocument>('api/streams', { prefix }, page => page.streams)
  const rateOf = useRates(pages.data)
  useEvery(REFRESH_MS, pages.reload)
  const columns = [
    { title: 'Stream', cell: ({ name }: StreamDocument) => <a href={hrefOf('streams', [name])}>{name}</a> },
    { title: 'State', cell: (stream: StreamDocument) => <StreamState stream={stream} /> },
    { title: 'Events/s', cell: ({ name }: StreamDocument) => rateText(rateOf(name)), isNumber: true },
    { title: 'Events', cell: ({ events }: StreamDocument) => events.toLocaleString('en'), isNumber: true },
    {
      title: 'Size',
      cell: ({ bytes_estimate }: StreamDocument) => `about ${size(bytes_estimate)}`,
      isNumber: true,
    },
    { title: 'Clients here', cell: ({ clients_here }: StreamDocument) => clients_here, isNumber: true },
    {
      title: 'Newest event',
      cell: ({ head }: StreamDocument) => (head.at ? <Moment at={head.at} long /> : 'none'),
    },
  ]
  return (
    <section>
      <PageHeading title="Streams" />
      <FilterForm query={query} hrefFor={given => hrefOf('streams', [], given)}>
        <label>
          Name begins with
          <input
            name="prefix"
            defaultValue={prefix}
            maxLength={132}
            spellcheck={false}
            placeholder="orders/"
          />
        </label>
      </FilterForm>
      <PagedTable
        caption="Streams by name"
        columns={columns}
        keyOf={({ name }) => name}
        pages={pages}
        empty={
          <Empty title={prefix ? 'No stream begins like that' : 'No streams yet'}>
            <p>
              {prefix ? (
                <a href={hrefOf('streams')}>Show all streams</a>
              ) : (
                'A stream begins with its first event: publish one on the feed.'
              )}
            </p>
          </Empty>
        }
      />
    </section>
  )
}

export function StreamState({ stream: { kind, closed_at } }: { stream: StreamDocument }) {
  if (closed_at !== null) return <Badge text="closed" tone="muted" />
  return kind === 'job' ? <Badge text="of a job" tone="violet" /> : <Badge text="open" tone="green" />
}
