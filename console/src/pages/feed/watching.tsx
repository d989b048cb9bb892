/** The number of clients that follow the stream, over all nodes; editors and admins can also list them. */
import { useEffect, useState } from 'preact/hooks'
import type { StreamClient } from '../../../../src/clients/stream-client.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { Dialog } from '../../pieces/dialog.tsx'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { Table } from '../../pieces/table.tsx'
import type { StreamState } from '../../stream/stream-client.ts'

const COUNT_EVERY_MS = 10_000
/** Another process has not counted the stream of this page yet: it is there within 2 s. */
const COUNT_AGAIN_MS = 1_000
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

interface WatchingProps {
  readonly stream: string
  /** The state of the page's own stream, which is one of the clients; undefined in the past, where it has none. */
  readonly state: StreamState | undefined
  readonly mayList: boolean
}

export function Watching({ stream, state, mayList }: WatchingProps) {
  const [isOpen, setOpen] = useState(false)
  const [everyMs, setEveryMs] = useState(COUNT_EVERY_MS)
  const { data, reload } = useClients({ stream, who: 'false' }, everyMs)
  const isFollowing = state?.name === 'live' || state?.name === 'behind'
  const isMissing = data?.clients === 0 && (isFollowing || state?.name === 'connecting')
  useEffect(() => {
    if (isFollowing) reload()
  }, [isFollowing, reload])
  useEffect(() => setEveryMs(isMissing ? COUNT_AGAIN_MS : COUNT_EVERY_MS), [isMissing])
  // None watch, though this page does: the count is older than its stream.
  if (!data || isMissing) return null
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
