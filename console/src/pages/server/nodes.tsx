/** The processes of the cluster, for operators. */
import type { NodeDocument } from '../../../../src/clients/node-document.ts'
import { useEvery } from '../../api/use-every.ts'
import { useRequest } from '../../api/use-request.ts'
import { Badge } from '../../pieces/badge.tsx'
import { duration } from '../../pieces/duration.ts'
import { Failure } from '../../pieces/failure.tsx'
import { Table } from '../../pieces/table.tsx'

const REFRESH_MS = 5_000
/** A smaller lag means only that the heartbeat met a read under way. */
const LAG_MS = 100
/** Shown for a node of an older version, which does not report the figure. */
const UNKNOWN = '?'

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
    cell: ({ mode, version }: NodeDocument) => (
      <>
        <Badge text={mode} tone={mode === 'normal' ? 'green' : 'amber'} />
        <span class="hint block">version {version}</span>
      </>
    ),
    isShort: true,
  },
  {
    title: 'Clients',
    cell: ({ clients, by_kind }: NodeDocument) => (
      <>
        {clients.toLocaleString('en')}
        {Object.keys(by_kind).length > 1 && (
          <span class="hint block">
            {Object.entries(by_kind)
              .map(([kind, count]) => `${kind} ${count}`)
              .join(', ')}
          </span>
        )}
      </>
    ),
    isNumber: true,
  },
  { title: 'Streams', cell: ({ streams }: NodeDocument) => streams ?? UNKNOWN, isNumber: true },
  {
    title: 'Lag',
    cell: ({ lag_ms }: NodeDocument) => (lag_ms < LAG_MS ? 'none' : duration(lag_ms)),
    isShort: true,
  },
  {
    title: 'Bus',
    cell: ({ bus, bus_kind }: NodeDocument) => (
      <>
        {bus ?? UNKNOWN}
        <span class="hint block">{bus_kind}</span>
      </>
    ),
    isShort: true,
  },
  {
    title: 'Memory',
    cell: ({ memory_percent }: NodeDocument) => withUnit(memory_percent, '%'),
    isNumber: true,
  },
  {
    title: 'Event loop',
    cell: ({ event_loop_delay_ms }: NodeDocument) => withUnit(event_loop_delay_ms, 'ms'),
    isNumber: true,
  },
  {
    title: 'Heartbeat',
    cell: ({ heartbeat_age_ms, started_at }: NodeDocument) => (
      <>
        {duration(heartbeat_age_ms)} ago
        <span class="hint block">up {duration(Date.now() - Date.parse(started_at))}</span>
      </>
    ),
    isShort: true,
  },
]

function withUnit(value: number | null, unit: string): string {
  return value === null ? UNKNOWN : `${value} ${unit}`
}

export function Nodes() {
  const { data, failure, retryAt, reload } = useRequest(async (api, signal) => {
    const { nodes } = await api.get<{ nodes: readonly NodeDocument[] }>('api/cluster', { signal })
    return nodes
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
