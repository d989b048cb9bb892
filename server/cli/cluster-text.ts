/** The state of a cluster for a person. */
import type { NodeDocument } from '../../src/clients/node-document.js'
import { durationOf } from './doctor/duration.js'
import { table } from './table.js'
import type { Output } from './terminal.js'

export interface ClusterState {
  readonly url: string
  /** Of the process that has answered. */
  readonly mode: string
  /** The answer of /ready. */
  readonly ready: Readonly<Record<string, unknown>>
  /** Null: the caller may not see them. */
  readonly nodes: readonly NodeDocument[] | null
}

const HEAD = ['NODE', 'NAME', 'VERSION', 'MODE', 'CLIENTS', 'LAG', 'UP', 'LAST HEARD OF']

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
    String(node.clients),
    node.lag_ms === 0 ? '-' : durationOf(node.lag_ms / 1_000),
    durationOf((Date.now() - Date.parse(node.started_at)) / 1_000),
    `${durationOf(node.heartbeat_age_ms / 1_000)} ago`,
  ])
  return `${head}${table(HEAD, rows)}* has answered.\n`
}
