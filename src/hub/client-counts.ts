/** How many subscriptions of this process follow which streams. */
import type { StreamId } from '../log/event.js'
import type { ClientCounts } from '../process/worker-message.js'

interface Following {
  readonly stream: { readonly id: StreamId; readonly kind: string }
}

interface Owned extends Following {
  readonly options: { readonly client?: { readonly workspace: string } | undefined }
}

/** Counts subscriptions, in total and by kind of stream. */
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

/** Counts subscriptions by kind of stream and form. A pair without subscriptions is left out. */
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

export interface StreamCount {
  readonly id: StreamId
  /** Empty if the host of the hub does not know the client. */
  readonly workspace: string
  clients: number
}

/** Counts the subscriptions of one stream. */
export function countOn(subscriptions: ReadonlySet<Following>, id: StreamId): number {
  let count = 0
  for (const { stream } of subscriptions) if (stream.id === id) count += 1
  return count
}

/** Counts subscriptions by stream. A stream without any is left out. */
export function countByStream(subscriptions: ReadonlySet<Owned>): StreamCount[] {
  const counts = new Map<StreamId, StreamCount>()
  for (const { stream, options } of subscriptions) {
    const count = counts.get(stream.id)
    if (count) count.clients += 1
    else counts.set(stream.id, { id: stream.id, workspace: options.client?.workspace ?? '', clients: 1 })
  }
  return [...counts.values()]
}
