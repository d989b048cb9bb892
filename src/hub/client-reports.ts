/** The answer of this process to a question about its clients (src/clients/client-report.ts). */
import type { RefusedClientDocument } from '../clients/client-document.js'
import { firstOf, keyOfClosed, keyOfOpen } from '../clients/client-page.js'
import type { ClientQuestion, ClientReport, ClosedFacts, OpenFacts } from '../clients/client-report.js'
import type { Position } from '../log/event.js'
import { describeOpen } from './client-description.js'
import type { ClosedClient } from './connections.js'
import { EventJudge } from './event-judge.js'
import type { Hub } from './hub.js'
import type { Subscription } from './subscription.js'

/** The clients of this process that match the question; nothing of other workspaces. */
export function reportClients(hub: Hub, question: ClientQuestion): ClientReport {
  const { connections } = hub
  const { workspace, of, event } = question
  const asks = (list: ClientQuestion['of']) => of === list || of === 'event'
  const open = asks('open') ? openClients(hub, question) : []
  const closed = asks('closed') ? closedClients(hub, question) : []
  const refused = asks('refused') ? refusedClients(hub, question) : []
  const followed =
    event && [...connections.open(workspace)].find(({ stream }) => stream.id === event.streamId)
  const judge = event && new EventJudge(event)
  const frames = event && followed?.options.stream.recent.at(event.position as Position)
  return {
    id: hub.id,
    startedAt: connections.startedAt,
    clockAheadMs: hub.tally.clockAheadMs,
    total: { open, event: open, closed, refused }[of].length,
    open: openFacts(open, question, connections.node, judge),
    closed: closedFacts(closed, question, judge),
    refused: refused.slice(-question.limit).reverse(),
    isShort: connections.closes.hasLost(workspace) || connections.refusals.hasLost(workspace),
    readAt: frames?.event.eventId === event?.eventId ? frames?.readAt : undefined,
    head: followed?.stream.head.position,
  }
}

function openFacts(
  found: readonly Subscription[],
  { limit, of, after }: ClientQuestion,
  node: string,
  judge: EventJudge | undefined,
): OpenFacts[] {
  const cut = { order: 'ascending', limit, after: of === 'open' ? after : undefined } as const
  const name = ({ options }: Subscription) => keyOfOpen(options.permit)
  return firstOf(found, name, cut).flatMap(subscription => {
    const { client, encoding } = subscription.options
    if (!client) return []
    const judgement = judge?.judge(client, encoding, subscription.stream.id)
    return { client: describeOpen(subscription, client, node), judgement }
  })
}

function closedFacts(
  found: readonly ClosedClient[],
  { limit, of, after }: ClientQuestion,
  judge: EventJudge | undefined,
): ClosedFacts[] {
  const cut = { order: 'descending', limit, after: of === 'closed' ? after : undefined } as const
  return firstOf(found, ({ document }) => keyOfClosed(document), cut).map(
    ({ document, identity, encoding, streamId }) => ({
      client: document,
      judgement: judge?.judge(identity, encoding, streamId),
    }),
  )
}

function openClients({ connections }: Hub, question: ClientQuestion): Subscription[] {
  const { workspace, connection } = question
  return [...connections.open(workspace)].filter(
    ({ options: { client, permit } }) =>
      client && isAskedFor(client, question) && (connection ?? permit.connection) === permit.connection,
  )
}

function closedClients({ connections }: Hub, question: ClientQuestion): ClosedClient[] {
  const { workspace, connection } = question
  return connections.closes
    .of(workspace)
    .filter(
      ({ document }) =>
        isAskedFor(document, question) && (connection ?? document.connection) === document.connection,
    )
}

/** A refused client has no connection. */
function refusedClients({ connections }: Hub, question: ClientQuestion): RefusedClientDocument[] {
  if (question.connection !== undefined) return []
  return connections.refusals.of(question.workspace).filter(refused => isAskedFor(refused, question))
}

function isAskedFor(
  client: { readonly stream: string; readonly principal: string },
  { stream, principal }: ClientQuestion,
): boolean {
  return (stream ?? client.stream) === client.stream && (principal ?? client.principal) === client.principal
}
