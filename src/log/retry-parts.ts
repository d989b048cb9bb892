/** The parts in which a batch of publish requests is tried again, so that a bad request fails alone. */
import { databaseFault } from '../database/database-fault.js'
import { Problem, SqlState, sqlState } from '../problems/problem.js'
import type { AppendRequest } from './append-request.js'

interface Requested {
  readonly request: Pick<AppendRequest, 'workspace' | 'stream'>
}

/** The parts to retry: each stream if one of them is locked, else each half. None if a retry cannot help. */
export function partsOf<W extends Requested>(batch: readonly W[], error: unknown): (readonly W[])[] {
  if (error instanceof Problem) return []
  if (sqlState(error) === SqlState.lockNotAvailable) return byStream(batch)
  const fault = databaseFault(error)
  // Its parts would meet the same fault.
  if (fault && fault.name !== 'contended') return []
  const middle = Math.ceil(batch.length / 2)
  return [batch.slice(0, middle), batch.slice(middle)].filter(part => part.length > 0)
}

function byStream<W extends Requested>(batch: readonly W[]): W[][] {
  const groups = new Map<string, W[]>()
  for (const waiting of batch) {
    const { workspace, stream } = waiting.request
    const key = `${workspace} ${stream}`
    const group = groups.get(key)
    if (group) group.push(waiting)
    else groups.set(key, [waiting])
  }
  return [...groups.values()]
}
