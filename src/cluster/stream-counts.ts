/** The clients of streams, as a heartbeat carries them. */
import type { StreamId } from '../log/event.js'

export interface StreamClients {
  readonly id: StreamId
  readonly workspace: string
  readonly clients: number
}

/** The counts that differ from those of the last heartbeat; 0 for a stream that has no clients any more. */
export function changedCounts(
  before: ReadonlyMap<StreamId, number> | undefined,
  now: ReadonlyMap<StreamId, number>,
): Map<StreamId, number> {
  const ended = [...(before?.keys() ?? [])]
    .filter(id => !now.has(id))
    .map((id): [StreamId, number] => [id, 0])
  return new Map([...ended, ...[...now].filter(([id, clients]) => before?.get(id) !== clients)])
}
