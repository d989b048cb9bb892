/** The state of a cluster for a person. */
import type { NodeDocument } from '../../src/clients/node-document.js'
import { durationOf } from './doctor/duration.js'
import { table } from './table.js'
import type { Output } from './terminal.js'

export interface ClusterState {
  readonly url: string
  /** The mode of the process that has answered. */
  readonly mode: string
  /** The answer of /ready. */
  readonly ready: Readonly<Record<string, unknown>>
  /** Null: the caller may not see them. */
  readonly nodes: readonly NodeDocument[] | null
}

const HEAD = [
  ...['NODE', 'NAME', 'VERSION', 'MODE', 'CLIENTS', 'STREAMS', 'LAG', 'BUS', 'MEMORY', 'EVENT LOOP', 'UP'],
  'LAST HEARD OF',
]
/** A smaller lag means only that the heartbeat met a read under way. */
const LAG_MS = 100
/** Shown for a node of an older version, which does not report the figure. */
const UNKNOWN = '?'

export function clusterText({ url, mode, ready, nodes }: ClusterState, out: Pick<Output, 'styled'>): string {
  const { clients, nodes: count } = Object(ready.cluster ?? {})
  const isReady = ready.status === 'ready'
  const state = out.styled(isReady ? 'ready' : 'NOT READY', isReady ? 'green' : 'red')
  const sums =
    count === undefined
      ? ''
      : `, ${count} ${count === 1 ? 'node' : 'nodes'}, ${clients} open ${clients === 1 ? 'stream' : 'streams'}`
  const head = `${url} is ${state}: mode ${mode}, database ${ready.database}, bus ${ready.bus}${sums}\n`
  if (nodes === null)
    return `${head}The nodes are shown to admins (with OPERATOR_WORKSPACE, of that workspace) only.\n`
  const rows = nodes.map(node => [
    `${node.node}${node.asked ? '*' : ''}`,
    node.name,
    node.version,
    node.mode,
    clientsText(node),
    orUnknown(node.streams),
    node.lag_ms < LAG_MS ? '-' : durationOf(node.lag_ms / 1_000),
    [node.bus_kind, node.bus].filter(Boolean).join(' ') || UNKNOWN,
    orUnknown(node.memory_percent, ' %'),
    orUnknown(node.event_loop_delay_ms, ' ms'),
    durationOf((Date.now() - Date.parse(node.started_at)) / 1_000),
    `${durationOf(node.heartbeat_age_ms / 1_000)} ago`,
  ])
  return `${head}${table(HEAD, rows)}* has answered.\n`
}

/** The sum, and the parts if there is more than one kind: `12 (feed 10, job 2)`. */
function clientsText({ clients, by_kind }: NodeDocument): string {
  const kinds = Object.entries(by_kind).map(([kind, count]) => `${kind} ${count}`)
  return kinds.length > 1 ? `${clients} (${kinds.join(', ')})` : String(clients)
}

function orUnknown(value: number | null | undefined, unit = ''): string {
  return value == null ? UNKNOWN : `${value}${unit}`
}
