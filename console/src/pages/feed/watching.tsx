/** How many clients follow the stream, over all nodes; for editors and admins also who. */
import { useState } from 'preact/hooks'
import type { StreamClient } from '../../../../src/clients/stream-client.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { Dialog } from '../../pieces/dialog.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { Table } from '../../pieces/table.tsx'

/** The console itself is one of the clients. */
const COUNT_EVERY_MS = 10_000
const WHO_EVERY_MS = 5_000
const MOST = 100

interface Answer {
  readonly clients: number
  readonly who: readonly StreamClient[] | null
  readonly complete: boolean
}

const COLUMNS = [
  { title: 'Principal', cell: ({ principal }: StreamClient) => principal },
  { title: 'Since', cell: ({ since }: StreamClient) => <Moment at={since} />, isShort: true },
  { title: 'Cursor', cell: ({ cursor }: StreamClient) => <code>{cursor}</code> },
  {
    title: 'Behind',
    cell: ({ lag_events }: StreamClient) => lag_events.toLocaleString('en'),
    isNumber: true,
  },
  { title: 'Node', cell: ({ node }: StreamClient) => <code>{node}</code>, isShort: true },
]

export function Watching({ stream, mayList }: { stream: string; mayList: boolean }) {
  const [isOpen, setOpen] = useState(false)
  const { data, reload } = useClients({ stream, who: 'false' }, COUNT_EVERY_MS)
  if (!data) return null
  const text = `${data.clients.toLocaleString('en')} watching`
  if (!mayList) return <span class="hint">{text}</span>
  return (
    <>
      <button type="button" class="quiet" onClick={() => setOpen(true)}>
        {text}
      </button>
      {isOpen && (
        <Dialog
          title={`Watching ${stream}`}
          onClose={() => {
            setOpen(false)
            reload()
          }}
        >
          <Who stream={stream} />
        </Dialog>
      )}
    </>
  )
}

function Who({ stream }: { stream: string }) {
  const { data, failure, retryAt, reload } = useClients({ stream, limit: MOST }, WHO_EVERY_MS)
  const who = data?.who ?? []
  return (
    <div class="stack">
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {!data && !failure && <Loading what="The clients" />}
      {data && (
        <p class="hint">
          {data.clients > who.length
            ? `The first ${who.length} of ${data.clients.toLocaleString('en')} clients on all nodes.`
            : `${data.clients} ${data.clients === 1 ? 'client' : 'clients'} on all nodes.`}
          {!data.complete && ' Some may be missing: a node has not answered.'}
        </p>
      )}
      {who.length > 0 && (
        <Table
          caption="Clients of the stream"
          columns={COLUMNS}
          keyOf={({ node, principal, since }) => `${node} ${principal} ${since}`}
          entries={who}
        />
      )}
    </div>
  )
}

function useClients(query: { stream: string; who?: 'false'; limit?: number }, everyMs: number) {
  const request = useRequest<Answer>(
    (api, signal) => api.get('api/stream-clients', { query, signal }),
    [query.stream],
  )
  useEvery(everyMs, request.reload)
  return request
}
