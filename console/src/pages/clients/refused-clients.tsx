/** The requests for a stream that got none, newest first. */
import type { RefusedClientDocument } from '../../../../src/clients/client-document.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge } from '../../pieces/badge.tsx'
import { Empty } from '../../pieces/empty.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { hrefOf } from '../../shell/route.ts'
import { type ClientFilter, noClient, useRefresh } from './client-filter.ts'
import { ClientName } from './client-name.tsx'

/** All that the processes remember: it has no further page. */
interface RefusedPage {
  readonly refused: readonly RefusedClientDocument[]
  readonly next_cursor?: null
}

const COLUMNS = [
  { title: 'Client', cell: (client: RefusedClientDocument) => <ClientName {...client} /> },
  { title: 'Stream', cell: ({ stream }: RefusedClientDocument) => stream },
  {
    title: 'Why',
    cell: ({ reason, limit }: RefusedClientDocument) => (
      <>
        <Badge text={reason} tone="amber" />
        {limit !== null && <span class="hint block">limit of the {limit}</span>}
      </>
    ),
  },
  {
    title: 'Request',
    cell: ({ request_id }: RefusedClientDocument) => <code>{request_id}</code>,
  },
  { title: 'Time', cell: ({ refused_at }: RefusedClientDocument) => <Moment at={refused_at} long /> },
]

export function RefusedClients({ filter }: { filter: ClientFilter }) {
  const pages = usePages('api/clients/refused', { ...filter }, (page: RefusedPage) => page.refused)
  useRefresh(pages.reload)
  return (
    <PagedTable
      caption="Refused clients, newest first"
      columns={COLUMNS}
      keyOf={({ request_id, refused_at }) => `${refused_at} ${request_id}`}
      pages={pages}
      empty={
        <Empty title={`${noClient(filter)} was refused`}>
          <p>
            Refused credentials are in the{' '}
            <a href={hrefOf('audit', [], { action: 'authentication.failed' })}>audit log</a>.
          </p>
        </Empty>
      }
    />
  )
}
