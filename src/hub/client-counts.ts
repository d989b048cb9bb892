/** How many subscriptions of this process follow which streams. */
import type { StreamId } from '../log/event.js'
import type { ClientCounts } from '../process/worker-message.js'

interface Following {
  readonly stream: { readonly id: StreamId; readonly kind: string }
}

/** In total and by kind of stream. */
export function countByKind(subscriptions: ReadonlySet<Following>): ClientCounts {
  const byKind: Record<string, number> = {}
  for (const { stream } of subscriptions) byKind[stream.kind] = (byKind[stream.kind] ?? 0) + 1
  return { total: subscriptions.size, byKind }
}

/** By stream, the streams of one kind that have any. */
export function countByStream(subscriptions: ReadonlySet<Following>, kind: string): Map<StreamId, number> {
  const counts = new Map<StreamId, number>()
  for (const { stream } of subscriptions) {
    if (stream.kind === kind) counts.set(stream.id, (counts.get(stream.id) ?? 0) + 1)
  }
  return counts
}
