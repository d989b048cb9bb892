/** The connected clients, with lag and waiting bytes; ending one. */
import { useState } from 'preact/hooks'
import type { ClientDocument, ClientState } from '../../../../src/clients/client-document.ts'
import { useApi } from '../../api/api.ts'
import { usePages } from '../../api/use-pages.ts'
import { announce } from '../../pieces/announcements.tsx'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { duration, size } from '../../pieces/duration.ts'
import { Empty } from '../../pieces/empty.tsx'
import { FormDialog } from '../../pieces/form-dialog.tsx'
import { PagedTable } from '../../pieces/paged-table.tsx'
import { hrefOf } from '../../shell/route.ts'
import { type ClientFilter, noClient, useRefresh } from './client-filter.ts'
import { ClientName, StreamName } from './client-name.tsx'

interface ClientPage {
  readonly clients: readonly ClientDocument[]
  readonly next_cursor: string | null
}

const TONES: Readonly<Record<ClientState, Tone>> = {
  live: 'green',
  'catching-up': 'blue',
  full: 'amber',
  unacknowledged: 'amber',
}

export function OpenClients({ filter }: { filter: ClientFilter }) {
  const pages = usePages<ClientPage, ClientDocument>('api/clients', { ...filter }, page => page.clients)
  const [ended, setEnded] = useState<ClientDocument>()
  useRefresh(pages.reload)
  const columns = [
    { title: 'Client', cell: (client: ClientDocument) => <ClientName {...client} /> },
    { title: 'Stream', cell: (client: ClientDocument) => <StreamName {...client} /> },
    {
      title: 'State',
      cell: ({ state }: ClientDocument) => <Badge text={state} tone={TONES[state]} />,
      isShort: true,
    },
    {
      title: 'Lag',
      cell: ({ lag_events }: ClientDocument) => `${lag_events.toLocaleString('en')} events`,
      isNumber: true,
    },
    { title: 'Waiting', cell: ({ bytes_waiting }: ClientDocument) => size(bytes_waiting), isNumber: true },
    { title: 'Written', cell: (client: ClientDocument) => <Written client={client} />, isNumber: true },
    { title: 'Open for', cell: ({ age_ms }: ClientDocument) => duration(age_ms), isShort: true },
    {
      title: 'Actions',
      cell: (client: ClientDocument) => (
        <div class="row">
          <a
            class="button"
            href={hrefOf('clients', ['explain'], { stream: client.stream, client: client.connection })}
            aria-label={`Explain an event to ${client.principal}`}
          >
            Explain
          </a>
          <button
            type="button"
            class="quiet"
            onClick={() => setEnded(client)}
            aria-label={`End ${client.principal}`}
          >
            End
          </button>
        </div>
      ),
    },
  ]
  return (
    <>
      <PagedTable
        caption="Connected clients"
        columns={columns}
        keyOf={({ connection }) => connection}
        pages={pages}
        empty={
          <Empty title={`${noClient(filter)} is connected here`}>
            <p>
              The list shows the clients of the process that answers and its workers. Look at the{' '}
              <a href={hrefOf('clients', [], { ...filter, view: 'closed' })}>closed</a> and the{' '}
              <a href={hrefOf('clients', [], { ...filter, view: 'refused' })}>refused</a> ones, or ask another
              node.
            </p>
          </Empty>
        }
      />
      {ended && (
        <EndClient
          client={ended}
          onClose={() => setEnded(undefined)}
          onDone={() => {
            setEnded(undefined)
            pages.reload()
          }}
        />
      )}
    </>
  )
}

function Written({ client: { events, bytes } }: { client: ClientDocument }) {
  return (
    <>
      {events.toLocaleString('en')}
      <span class="hint block">{size(bytes)}</span>
    </>
  )
}

interface EndClientProps {
  readonly client: ClientDocument
  readonly onClose: () => void
  readonly onDone: () => void
}

function EndClient({ client, onClose, onDone }: EndClientProps) {
  const api = useApi()
  return (
    <FormDialog
      title={`End the stream of ${client.principal}`}
      action="End the stream"
      isDangerous
      onClose={onClose}
      onSubmit={async () => {
        await api.send('DELETE', `api/clients/${client.connection}`)
        announce(`The stream of ${client.principal} ends within 5 s.`)
        onDone()
      }}
      remedyOf={({ problem }) =>
        problem.status === 404 && (
          <p class="notice" role="alert">
            The client is not connected any more.
          </p>
        )
      }
    >
      <p>
        The client may reconnect at once, where it was: it misses nothing. To keep it out,{' '}
        <a href={hrefOf('revocations')}>revoke its credentials</a>.
      </p>
    </FormDialog>
  )
}
