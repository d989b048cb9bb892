/** Cancels the writing of a durable stream, wherever its producer runs, by an event on the stream itself. */
import { RefusedError } from '../errors.js'
import { Feed } from '../feed.js'
import { publish } from '../publish.js'
import type { Gateway } from '../requests.js'

const CANCEL = 'chunk.cancel'

export interface CancelOptions {
  /** The reason, for readers of the log and in the abort part. */
  readonly reason?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks the producer of the stream to stop. It then ends its source, writes an abort part and closes the stream; a producer that is being
 * restarted does so when it is back. @returns whether the stream was open. Repeating it is safe.
 */
export async function cancel(
  gateway: Gateway,
  stream: string,
  { reason, signal }: CancelOptions = {},
): Promise<boolean> {
  try {
    await publish(gateway, { type: CANCEL, data: reason ? { reason } : {} }, { stream, signal })
    return true
  } catch (error) {
    if (error instanceof RefusedError && error.code === 'stream-closed') return false
    throw error
  }
}

/**
 * @returns when somebody cancels, or has; undefined when the stream is closed, or `signal` has aborted.
 * @throws if the credentials may not follow the stream.
 */
export async function cancelled(
  gateway: Gateway,
  stream: string,
  signal: AbortSignal,
): Promise<{ readonly reason: string | undefined } | undefined> {
  const feed = new Feed(gateway, {
    stream,
    types: [CANCEL],
    from: 'beginning',
    // A cancel that retention has removed is that of an answer that ended long ago.
    reload: () => undefined,
    signal,
    retry: 100,
    max: 2_000,
  })
  for await (const { data } of feed) {
    return { reason: typeof data.reason === 'string' ? data.reason : undefined }
  }
  return undefined
}
