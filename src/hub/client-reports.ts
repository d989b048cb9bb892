/** The answer of this process to a question about its clients (src/clients/client-report.ts). */
import type { RefusedClientDocument } from '../clients/client-document.js'
import { firstOf, keyOfClosed, keyOfOpen } from '../clients/client-page.js'
import type {
  ClientQuestion,
  ClientReport,
  ClosedFacts,
  JudgedEvent,
  OpenFacts,
} from '../clients/client-report.js'
import type { Position, StoredEvent } from '../log/event.js'
import { describeOpen, judge } from './client-description.js'
import type { ClosedClient } from './connections.js'
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
  const followed = event && [...connections.open(workspace)].find(({ stream }) => isOf(event, stream.id))
  const frames = event && followed?.options.stream.recent.at(event.position as Position)
  return {
    id: hub.id,
    startedAt: connections.startedAt,
    clockAheadMs: hub.tally.clockAheadMs,
    total: { open, event: open, closed, refused }[of].length,
    open: openFacts(open, question, connections.node),
    closed: closedFacts(closed, question),
    refused: refused.slice(-question.limit).reverse(),
    isShort: connections.closes.hasLost(workspace) || connections.refusals.hasLost(workspace),
    readAt: frames?.event.eventId === event?.eventId ? frames?.readAt : undefined,
    head: followed?.stream.head.position,
  }
}

function openFacts(found: readonly Subscription[], question: ClientQuestion, node: string): OpenFacts[] {
  const { limit, of, after, event } = question
  const cut = { order: 'ascending', limit, after: of === 'open' ? after : undefined } as const
  const name = ({ options }: Subscription) => keyOfOpen(options.permit)
  return firstOf(found, name, cut).flatMap(subscription => {
    const { client, encoding } = subscription.options
    if (!client) return []
    const judged = event && isOf(event, subscription.stream.id) && judge(client, encoding, storedEvent(event))
    return { client: describeOpen(subscription, client, node), judgement: judged || undefined }
  })
}

function closedFacts(found: readonly ClosedClient[], question: ClientQuestion): ClosedFacts[] {
  const { limit, of, after, event } = question
  const cut = { order: 'descending', limit, after: of === 'closed' ? after : undefined } as const
  return firstOf(found, ({ document }) => keyOfClosed(document), cut).map(
    ({ document, identity, encoding, streamId }) => {
      const judged = event && isOf(event, streamId) && judge(identity, encoding, storedEvent(event))
      return { client: document, judgement: judged || undefined }
    },
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

function isOf({ streamId }: JudgedEvent, stream: number): boolean {
  return streamId === stream
}

function storedEvent({ eventId, position, at, type, data, attributes }: JudgedEvent): StoredEvent {
  return { eventId, position: position as Position, at: new Date(at), type, data, attributes }
}
