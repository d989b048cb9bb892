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

export interface FormCount {
  readonly kind: string
  /** The name of the encoding. */
  readonly form: string
  readonly clients: number
}

/** By kind of stream and form, those that have any. */
export function countByForm(
  subscriptions: Iterable<Following & { readonly output: { readonly form: string } }>,
): FormCount[] {
  const counts = new Map<string, FormCount>()
  for (const { stream, output } of subscriptions) {
    const key = `${stream.kind} ${output.form}`
    const clients = (counts.get(key)?.clients ?? 0) + 1
    counts.set(key, { kind: stream.kind, form: output.form, clients })
  }
  return [...counts.values()]
}

/** By stream, the streams of one kind that have any. */
export function countByStream(subscriptions: ReadonlySet<Following>, kind: string): Map<StreamId, number> {
  const counts = new Map<StreamId, number>()
  for (const { stream } of subscriptions) {
    if (stream.kind === kind) counts.set(stream.id, (counts.get(stream.id) ?? 0) + 1)
  }
  return counts
}
