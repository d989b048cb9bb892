/** Lets a stream continue where the log does, because its own head is not in the log any more. */
import type { Database } from '../database/pool.js'
import { readBounds } from '../log/log.js'
import type { Logger } from '../logging/logger.js'
import type { StreamEnds } from './stream-ends.js'
import type { TailedStream } from './tailed-stream.js'

/** Does nothing if the head has moved since, or if the stream is no longer followed (`isFollowed`). */
export async function restartStream(
  stream: TailedStream,
  { database, logger }: { readonly database: Database; readonly logger: Logger },
  ends: StreamEnds,
  isFollowed: () => boolean,
): Promise<void> {
  const { head } = stream
  const seen = head.position
  const bounds = await readBounds(database, stream.id, stream.named)
  if (!isFollowed() || stream.head !== head) return
  if (!bounds) return ends.deleted(stream.id)
  logger.warn({ stream: stream.id, seen, bounds }, 'The log does not continue at the head of a stream.')
  stream.restart(bounds.base.position > seen ? 'retention' : 'history-lost', bounds)
}
