/** The tables sluice.nodes and sluice.node_streams: the row of one process, and the sums over the others. */
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { ClientCounts } from '../process/worker-message.js'
import type { ClientPage } from './client-questions.js'

/** A heartbeat that takes longer has failed, and the next one follows. */
const DEADLINE_MS = 2_500

/** The figures of a process: columns of its row, but for `uptime_ms`. */
export interface NodeRow {
  readonly name: string
  readonly version: string
  readonly mode: string
  /** How long the process has been running. The database computes the times, by its own clock. */
  readonly uptime_ms: number
  readonly lag_ms: number
  readonly clients: number
  readonly clients_by_kind: Readonly<Record<string, number>>
  readonly streams: number
  readonly streams_left_out: number
  readonly bus: string
  readonly bus_kind: string | null
  readonly memory_state: string | null
  readonly memory_percent: number | null
  readonly event_loop_delay_ms: number
  readonly may_be_first: boolean
}

/** The clients of streams, in a heartbeat. */
export interface StreamCounts {
  /** Whether `streams` are all of them, and not only those that have changed. */
  readonly anew: boolean
  /** The number of clients by stream; 0 if a stream has none any more. */
  readonly streams: ReadonlyMap<StreamId, number>
}

export interface Beat {
  /** Whether the row was there. If it was not, the counts of its streams are gone too. */
  readonly known: boolean
  readonly others: Others
  /** Pages of clients that other nodes ask for, of streams that have clients here. */
  readonly questions: readonly ClientPage[]
  /** The streams here whose principals are to be reported; undefined if no stream at all has presence. */
  readonly presence: readonly StreamId[] | undefined
  /** Whether it may be the first node, and its id is the smallest of those that may. */
  readonly isFirst: boolean
  /** The database's time, in ms since 1970. */
  readonly at: number
}

/** The other processes of the cluster, together. */
export interface Others {
  readonly nodes: number
  /** Sessions that LISTEN for wakes, this process's own included: those of older versions have no row. Unknown beside other nodes. */
  readonly listeners: number | null
  readonly clients: ClientCounts
}

/** One heartbeat: renews the row, and reads the sums over the others. */
export async function beat(
  database: Database,
  id: string,
  row: NodeRow,
  { anew, streams }: StreamCounts,
): Promise<Beat> {
  const statement = {
    name: 'sluice-heartbeat',
    text: `select known, is_first as "isFirst", other_nodes as nodes, other_clients as clients, listeners,
                  (extract(epoch from clock_timestamp()) * 1000)::float8 as at,
                  sluice.questions_for($1) as questions, to_json(sluice.presence_for($1)) as presence
             from sluice.heartbeat($1, $2, $3, $4, $5)`,
    values: [id, JSON.stringify(row), anew, [...streams.keys()], [...streams.values()]],
    query_timeout: DEADLINE_MS,
  }
  const { rows } = await database.query<
    Pick<Beat, 'known' | 'isFirst' | 'at'> &
      Pick<Others, 'nodes' | 'listeners'> & {
        clients: string
        questions: string | null
        presence: string | null
      }
  >(statement)
  const [answer] = rows
  if (!answer) throw new Error('sluice.heartbeat has not answered.')
  const { known, isFirst, nodes, listeners, at } = answer
  const byKind = JSON.parse(answer.clients) as Record<string, number>
  const total = Object.values(byKind).reduce((sum, count) => sum + count, 0)
  const questions = JSON.parse(answer.questions ?? '[]') as ClientPage[]
  const presence = answer.presence === null ? undefined : (JSON.parse(answer.presence) as StreamId[])
  return { known, isFirst, at, questions, presence, others: { nodes, listeners, clients: { total, byKind } } }
}

/** Removes the row of a process that stops. */
export async function leave(database: Database, id: string): Promise<void> {
  const statement = {
    name: 'sluice-leave',
    text: 'delete from sluice.nodes where id = $1',
    values: [id],
    query_timeout: DEADLINE_MS,
  }
  await database.query(statement)
}

export interface Elsewhere {
  readonly clients: number
  /** False if one of the processes does not report all of its streams. */
  readonly isComplete: boolean
}

/** The clients of a stream in all processes but one, each at its last heartbeat. */
export async function countElsewhere(database: Database, stream: StreamId, id: string): Promise<Elsewhere> {
  const { rows } = await database.query<Elsewhere>({
    name: 'sluice-count-elsewhere',
    text: `
      select (select coalesce(sum(s.clients), 0)::integer
                from sluice.node_streams s where s.stream_id = $1 and s.node_id <> $2) as clients,
             not exists (select from sluice.nodes n where n.id <> $2 and n.streams_left_out is distinct from 0) as "isComplete"`,
    values: [stream, id],
  })
  return rows[0] ?? { clients: 0, isComplete: false }
}

/** A process of the cluster at its last heartbeat. */
export interface ClusterNode {
  readonly id: string
  /** Host and process id. */
  readonly name: string
  readonly version: string
  readonly mode: string
  readonly startedAt: Date
  readonly heartbeatAgeMs: number
  /** How far it was behind the log. */
  readonly lagMs: number
  readonly clients: ClientCounts
  /** This figure and those below are null for a process of an older version, or of a program that does not measure them. */
  readonly streams: number | null
  readonly bus: string | null
  readonly bus_kind: string | null
  readonly memory_state: string | null
  readonly memory_percent: number | null
  readonly event_loop_delay_ms: number | null
}

/** All processes whose heartbeat is at most 10 s old, by name. */
export async function listNodes(database: Database): Promise<ClusterNode[]> {
  const statement = {
    name: 'sluice-list-nodes',
    text: `
      select id, name, version, mode, started_at as "startedAt", clients as total, clients_by_kind::text as "byKind",
             lag_ms as "lagMs", streams, bus, bus_kind, memory_state, memory_percent, event_loop_delay_ms,
             (extract(epoch from clock_timestamp() - heartbeat_at) * 1000)::integer as "heartbeatAgeMs"
        from sluice.nodes where heartbeat_at > clock_timestamp() - interval '10 seconds'
       order by name, id limit 1000`,
    query_timeout: DEADLINE_MS,
  }
  const { rows } = await database.query<Omit<ClusterNode, 'clients'> & { total: number; byKind: string }>(
    statement,
  )
  return rows.map(({ total, byKind, ...node }) => ({
    ...node,
    clients: { total, byKind: JSON.parse(byKind) as Record<string, number> },
  }))
}
