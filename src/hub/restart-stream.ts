/** Lets a stream continue where the log does, because its own head is not in the log any more. */
import type { Database } from '../database/pool.js'
import { readBounds } from '../log/log.js'
import type { Logger } from '../logging/logger.js'
import type { TailedStream } from './tailed-stream.js'

/** Does nothing if the head has moved since, or the stream `isFollowed` no longer. */
export async function restartStream(
  stream: TailedStream,
  { database, logger }: { readonly database: Database; readonly logger: Logger },
  isFollowed: () => boolean,
): Promise<void> {
  const { head } = stream
  const seen = head.position
  const bounds = await readBounds(database, stream.id)
  if (!isFollowed() || stream.head !== head) return
  logger.warn({ stream: stream.id, seen, bounds }, 'The log does not continue at the head of a stream.')
  if (bounds) stream.restart(bounds.base.position > seen ? 'retention' : 'history-lost', bounds)
  else stream.onDeleted()
}
