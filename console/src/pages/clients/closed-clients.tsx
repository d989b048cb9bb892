/** The clients that have closed, newest first, with the reason. */
import type { ClosedClientDocument } from '../../../../src/clients/client-document.ts'
import { usePages } from '../../api/use-pages.ts'
import { Badge } from '../../pieces/badge.tsx'
import { duration, size } from '../../pieces/duration.ts'
import { Empty } from '../../pieces/empty.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { type ClientFilter, noClient, useRefresh } from './client-filter.ts'
import { ClientName, StreamName } from './client-name.tsx'

interface ClosedPage {
  readonly closed: readonly ClosedClientDocument[]
  readonly next_cursor: string | null
}

/** Texts for some of the gateway's reasons; the others need no explanation. */
const REASONS: Readonly<Record<string, string>> = {
  client: 'it disconnected',
  ended: 'the stream has ended',
  expired: 'its credentials expired',
  revoked: 'its credentials were revoked',
  narrowed: 'its grants were narrowed',
  'too-old': 'it was open for long enough, and reconnects',
  stalled: 'it read nothing for 30 s',
  draining: 'the process stopped',
  deleted: 'the stream was deleted',
  'by-admin': 'an admin ended it',
}

const COLUMNS = [
  { title: 'Client', cell: (client: ClosedClientDocument) => <ClientName {...client} /> },
  { title: 'Stream', cell: (client: ClosedClientDocument) => <StreamName {...client} /> },
  {
    title: 'Why it closed',
    cell: ({ reason }: ClosedClientDocument) => (
      <>
        <Badge text={reason} tone={reason === 'stalled' ? 'amber' : 'muted'} />
        <span class="hint block">{REASONS[reason]}</span>
      </>
    ),
  },
  { title: 'Cursor', cell: ({ cursor }: ClosedClientDocument) => <code>{cursor}</code> },
  {
    title: 'Written',
    cell: ({ events, bytes }: ClosedClientDocument) => (
      <>
        {events.toLocaleString('en')}
        <span class="hint block">{size(bytes)}</span>
      </>
    ),
    isNumber: true,
  },
  {
    title: 'Was open for',
    cell: ({ duration_ms }: ClosedClientDocument) => duration(duration_ms),
    isShort: true,
  },
  { title: 'Closed', cell: ({ closed_at }: ClosedClientDocument) => <Moment at={closed_at} long /> },
]

export function ClosedClients({ filter }: { filter: ClientFilter }) {
  const pages = usePages<ClosedPage, ClosedClientDocument>(
    'api/clients/closed',
    { ...filter },
    page => page.closed,
  )
  useRefresh(pages.reload)
  return (
    <PagedTable
      caption="Closed clients, newest first"
      columns={COLUMNS}
      keyOf={({ connection }) => connection}
      pages={pages}
      empty={
        <Empty title={`${noClient(filter)} has closed`}>
          <p>Each process remembers its last 1,000 closed clients, since its start.</p>
        </Empty>
      }
    />
  )
}
