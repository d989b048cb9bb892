/**
 * The streams whose clients a node reports: all of them, or as many as the heartbeat can carry. Then each workspace gets an equal
 * share, so that one with many streams does not displace those of the others.
 */
import type { StreamId } from '../log/event.js'

export interface StreamClients {
  readonly id: StreamId
  readonly workspace: string
  readonly clients: number
}

/** At most `most` of them: the first stream of each workspace, then the second one of each, and so on. */
export function reportedStreams(streams: readonly StreamClients[], most: number): readonly StreamClients[] {
  if (streams.length <= most) return streams
  const byWorkspace = new Map<string, StreamClients[]>()
  for (const stream of streams) {
    const own = byWorkspace.get(stream.workspace)
    if (own) own.push(stream)
    else byWorkspace.set(stream.workspace, [stream])
  }
  const chosen: StreamClients[] = []
  let owners = [...byWorkspace.values()]
  for (let round = 0; chosen.length < most; round += 1) {
    owners = owners.filter(own => own.length > round)
    chosen.push(...owners.slice(0, most - chosen.length).flatMap(own => own[round] ?? []))
  }
  return chosen
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
