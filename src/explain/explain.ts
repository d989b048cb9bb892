/**
 * Explains what became of an event: a pure function of the log's facts and of the processes' memory of their
 * clients. What neither has recorded is said to be unknown.
 */
import type { ClientReport } from '../clients/client-report.js'
import { isNamedBy, nodeOf } from '../hub/connection-name.js'
import { explainClient, type KnownClient } from './client-verdict.js'
import { type EventFacts, isCompacted } from './event-facts.js'
import type { Cause, ExplainedClient, ExplainedEvent, Explanation } from './explanation.js'

export interface Facts {
  /** The event id, as it was asked for. */
  readonly id: string
  readonly event: EventFacts
  readonly asked: { readonly connection?: string | undefined; readonly principal?: string | undefined }
  /** The reports of the processes that were asked. */
  readonly reports: readonly ClientReport[]
  /** The ids of the other processes of the cluster, which were not asked. */
  readonly others: readonly string[]
  /** In ms since 1970. */
  readonly now: number
}

const MOST_CLIENTS = 100

export function explain(facts: Facts): Explanation {
  const { event, reports } = facts
  const clients =
    event.found === 'stored' || event.found === 'removed'
      ? knownClients(facts)
          .map(known => explainClient(event, known))
          .slice(0, MOST_CLIENTS)
      : []
  const refused = reports
    .flatMap(report => report.refused)
    .filter(({ stream }) => stream === event.stream)
    .sort((one, other) => (one.refused_at > other.refused_at ? -1 : 1))
    .slice(0, MOST_CLIENTS)
  const explained = explainEvent(facts)
  const { cause, summary } = verdict(facts, explained, clients, refused.length)
  return {
    cause,
    summary,
    event: explained,
    clients,
    refused,
    processes: reports.map(({ id, startedAt }) => ({ node: nodeOf(id), started_at: timeOf(startedAt) })),
    unknown: unknowns(facts, explained, clients),
  }
}

/** Open ones first, then the closed ones, the newest first. */
function knownClients({ reports, now }: Facts): KnownClient[] {
  const open = reports.flatMap(report => report.open.map(one => ({ ...one, report, now })))
  const closed = reports.flatMap(report => report.closed.map(one => ({ ...one, report, now })))
  closed.sort((one, other) => (one.client.closed_at > other.client.closed_at ? -1 : 1))
  return [...open, ...closed]
}

function explainEvent({ id, event, reports }: Facts): ExplainedEvent {
  const nothing = {
    ...{ id, stream: event.stream, type: null, event_id: null, actor: null, way: null, traceparent: null },
    ...{ at: null, committed_at: null, read_at: null, redacted_at: null },
  }
  if (event.found !== 'stored') {
    return {
      ...nothing,
      status: event.found === 'removed' ? 'removed' : 'unknown',
      explanation: missing(id, event),
    }
  }
  const readAt = Math.min(...reports.flatMap(report => report.readAt ?? []))
  const status = isCompacted(event) ? 'compacted' : event.redactedAt ? 'redacted' : 'stored'
  const what = {
    stored: '',
    redacted: ` Its data was redacted at ${event.redactedAt?.toISOString()}.`,
    compacted: ' Compaction has removed its type and data, because a newer event has the same key.',
  }[status]
  const way = event.way === null ? '' : ` (${event.way})`
  const by =
    event.actor === null ? `Who published it is unknown${way}.` : `${event.actor} published it${way}.`
  return {
    ...nothing,
    id: event.id,
    status,
    type: status === 'compacted' ? null : event.type,
    event_id: event.eventId,
    actor: event.actor,
    way: event.way,
    traceparent: event.traceparent,
    at: event.at.toISOString(),
    committed_at: event.committedAt?.toISOString() ?? null,
    read_at: Number.isFinite(readAt) ? timeOf(readAt) : null,
    redacted_at: event.redactedAt?.toISOString() ?? null,
    explanation: `The event ${event.id} is in the stream ${event.stream}; its time is ${event.at.toISOString()}. ${by}${what}`,
  }
}

function missing(id: string, event: Exclude<EventFacts, { found: 'stored' }>): string {
  switch (event.found) {
    case 'no-stream':
      return `The workspace has no stream ${event.stream}, so it has no event ${id} there. If the stream was deleted, its events are gone.`
    case 'ahead':
      return `The stream ${event.stream} ends at ${event.head}: it has no event ${id}. Either it was never committed, or the database has lost it.`
    case 'other':
      return `The event at this position of the stream ${event.stream} is ${event.id}: there is no event ${id}. Either the database has lost it and gave its position to another one, or the id is of another stream.`
    case 'removed':
      return `Retention has removed all events of the stream ${event.stream} up to ${event.base}. Whether ${id} was one of them, and what it was, is unknown.`
  }
}

/** Of the causes of several clients, the first in this order decides. */
const BEST: readonly Cause[] = ['written', 'written-redacted', 'compacted', 'removed', 'newest-by-key']

function verdict(
  facts: Facts,
  event: ExplainedEvent,
  clients: readonly ExplainedClient[],
  refused: number,
): { cause: Cause; summary: string } {
  if (event.status === 'unknown') return { cause: 'never-existed', summary: event.explanation }
  const best = BEST.flatMap(cause => clients.find(client => client.cause === cause) ?? [])[0] ?? clients[0]
  if (best) {
    const more = clients.length === 1 ? '' : ` ${counted(clients)}`
    return { cause: best.cause, summary: `${event.explanation} ${best.explanation}${more}` }
  }
  const { cause, summary } = withoutClients(facts, refused)
  return { cause, summary: `${event.explanation} ${summary}` }
}

function counted(clients: readonly ExplainedClient[]): string {
  const counts = new Map<string, number>()
  for (const { cause } of clients) counts.set(cause, (counts.get(cause) ?? 0) + 1)
  return `Of ${clients.length} connections: ${[...counts].map(([cause, count]) => `${count} ${cause}`).join(', ')}.`
}

/** The likely reason why no remembered client matches. */
function withoutClients(
  { event, asked, reports, others }: Facts,
  refused: number,
): { cause: Cause; summary: string } {
  const { connection } = asked
  const who =
    connection ?? (asked.principal === undefined ? 'the stream' : `the principal ${asked.principal}`)
  if (refused > 0) {
    return { cause: 'refused', summary: `There was no stream for ${who}: ${refused} attempts were refused.` }
  }
  if (connection !== undefined) {
    if (others.some(id => isNamedBy(id, connection))) {
      const summary = `The connection ${connection} is of the node ${nodeOf(connection)}, which was not asked. Ask that node.`
      return { cause: 'other-node', summary }
    }
    if (!reports.some(({ id }) => isNamedBy(id, connection))) {
      const summary = `No process that runs has had the connection ${connection}. The process that had it has ended, and what it knew with it.`
      return { cause: 'restarted', summary }
    }
  }
  const [first] = reports.map(({ startedAt }) => startedAt).sort((one, other) => one - other)
  const aheadMs = reports[0]?.clockAheadMs ?? 0
  if (event.found === 'stored' && first !== undefined && first > event.at.getTime() - aheadMs) {
    const summary = `The gateway has started at ${timeOf(first)}, after the event was published. What was known of ${who} before is gone.`
    return { cause: 'restarted', summary }
  }
  if (reports.some(({ isShort }) => isShort)) {
    const summary = `Nothing is known of ${who}. Older closed connections of this workspace were forgotten, and it may have been one of them.`
    return { cause: 'forgotten', summary }
  }
  if (others.length > 0) {
    const summary = `Nothing is known of ${who} here. ${others.length} other nodes were not asked: ask them.`
    return { cause: 'other-node', summary }
  }
  const since = first === undefined ? '' : ` since ${timeOf(first)}`
  return { cause: 'not-connected', summary: `There was no connection of ${who}${since}.` }
}

function unknowns(
  { reports, others }: Facts,
  event: ExplainedEvent,
  clients: readonly ExplainedClient[],
): string[] {
  const stored = event.status !== 'unknown' && event.status !== 'removed'
  return [
    ...(stored && event.committed_at === null
      ? ['When exactly the event was committed: between its time and the time at which a process read it.']
      : []),
    ...(stored && event.read_at === null
      ? ['When this node read the event: it no longer has it in memory.']
      : []),
    ...(stored && event.way === null ? ['How the event was published.'] : []),
    ...(clients.some(({ cause }) => cause.startsWith('written'))
      ? ['Whether a client has handled the event: streams have no acknowledgements.']
      : []),
    ...(clients.some(({ cause }) => cause === 'reset') ? ['Resets of a client before its last one.'] : []),
    ...(reports.some(({ isShort }) => isShort) ? ['Older closed connections of this workspace.'] : []),
    ...(others.length > 0 ? [`The clients of ${others.length} other nodes, which were not asked.`] : []),
  ]
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
