/** The clients and the principals of streams in this process, for lists and presence over all nodes. */
import { continuesAfter, type PlacedClient } from '../clients/stream-client.js'
import type { StreamId, StreamName } from '../log/event.js'
import { isNamed } from '../log/log.js'
import { cursorId } from './cursor.js'
import type { Hub } from './hub.js'

/**
 * The clients of a stream that its host knows, in the order in which they came.
 * @param after the place of the last client of the page before; empty for the first page.
 * @param named the stream that has the number in the log: after a restore, clients here may follow another one under it.
 */
export function clientsOn(
  { connections, subscriptions }: Hub,
  {
    stream: id,
    after,
    named,
  }: { readonly stream: StreamId; readonly after: string; readonly named: StreamName },
  limit: number,
): PlacedClient[] {
  const { node } = connections
  const start = continuesAfter(node, after)
  const found: PlacedClient[] = []
  if (start === undefined) return found
  for (const subscription of subscriptions) {
    const { stream, cursor, options } = subscription
    const ordinal =
      stream.id === id && isNamed(named, stream.named) ? subscription.output.own.ordinal : undefined
    if (!options.client || ordinal === undefined || ordinal <= start) continue
    const { principal } = options.client
    const since = new Date(options.openedAt).toISOString()
    const lag_events = Math.max(0, stream.head.position - cursor.position)
    found.push({ node, ordinal, client: { principal, since, cursor: cursorId(cursor), lag_events, node } })
    if (found.length === limit) break
  }
  return found
}

/** The principals that follow some streams in this process, each once for a stream. */
export function principalsOf({ subscriptions }: Pick<Hub, 'subscriptions'>, streams: ReadonlySet<StreamId>) {
  const found = new Map<string, StreamName & { readonly stream: StreamId; readonly principal: string }>()
  for (const { stream, options } of subscriptions) {
    if (!options.client || !streams.has(stream.id)) continue
    const { workspace, principal } = options.client
    const name = stream.named?.name ?? ''
    found.set(`${stream.id} ${principal}`, { stream: stream.id, workspace, name, principal })
  }
  return [...found.values()]
}
