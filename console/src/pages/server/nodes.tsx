/** The processes of the cluster, for operators. */
import type { NodeDocument } from '../../../../src/clients/node-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { Badge } from '../../pieces/badge.tsx'
import { duration } from '../../pieces/duration.ts'
import { Failure } from '../../pieces/failure.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { Table } from '../../pieces/table.tsx'

const REFRESH_MS = 5_000

const COLUMNS = [
  {
    title: 'Node',
    cell: ({ name, node, asked }: NodeDocument) => (
      <>
        {name}
        <span class="hint block">
          <code>{node}</code>
          {asked && ', which answers'}
        </span>
      </>
    ),
  },
  {
    title: 'Mode',
    cell: ({ mode }: NodeDocument) => <Badge text={mode} tone={mode === 'normal' ? 'green' : 'amber'} />,
    isShort: true,
  },
  { title: 'Version', cell: ({ version }: NodeDocument) => version, isShort: true },
  { title: 'Clients', cell: ({ clients }: NodeDocument) => clients, isNumber: true },
  {
    title: 'Heartbeat',
    cell: ({ heartbeat_age_ms }: NodeDocument) => `${duration(heartbeat_age_ms)} ago`,
    isShort: true,
  },
  { title: 'Started', cell: ({ started_at }: NodeDocument) => <Moment at={started_at} long /> },
]

export function Nodes() {
  const { data, failure, retryAt, reload } = useRequest(async (api, signal) => {
    const page = await api.get<{ nodes: readonly NodeDocument[] | null }>('api/clients', {
      query: { limit: 1 },
      signal,
    })
    return page.nodes ?? []
  }, [])
  useEvery(REFRESH_MS, reload)
  return (
    <section class="stack" aria-labelledby="nodes-title">
      <h2 id="nodes-title">Nodes</h2>
      {failure && <Failure failure={failure} retryAt={retryAt} onRetry={reload} />}
      {data && data.length > 0 && (
        <Table caption="Nodes of the cluster" columns={COLUMNS} keyOf={({ node }) => node} entries={data} />
      )}
    </section>
  )
}
