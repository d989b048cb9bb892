/** Repeats a read of the log while it fails. */
import { setTimeout as pause } from 'node:timers/promises'
import { databaseFault } from '../database/database-fault.js'
import type { Logger } from '../logging/logger.js'
import { Problem } from '../problems/problem.js'
import type { Notice } from '../sse/encoding.js'

export const READ_AGAIN_MS = 500
/** The notice that clients get meanwhile. */
export const UNREADABLE: Notice = {
  name: 'error',
  data: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' },
}

/** Whether a read may fail like this and succeed later: a fault of the database, or an index that is being built. */
function isExpected(error: unknown): boolean {
  return databaseFault(error) !== undefined || error instanceof Problem
}

/**
 * Takes steps while `isGoing`. A step that fails is tried again twice a second. Never rejects.
 * @param onFailure called at the first of several failures in a row.
 */
export async function stepWhile(
  isGoing: () => boolean,
  step: () => Promise<void>,
  logger: Logger,
  onFailure: () => void,
): Promise<void> {
  let failing = false
  while (isGoing()) {
    try {
      await step()
      failing = false
    } catch (error) {
      if (!failing && !isExpected(error))
        logger.error({ err: error }, 'Cannot read the stream of a subscription.')
      if (!failing) onFailure()
      failing = true
      await pause(READ_AGAIN_MS)
    }
  }
}

/**
 * Calls back once, when the head of the stream has moved and the code that moved it has returned. It makes no AbortSignal, because the
 * stream of a consumer calls it for each event. @returns a function that cancels the call.
 */
export function atHead(stream: { whenGrown(act: () => void): () => void }, onGrown: () => void): () => void {
  let isOver = false
  const forget = stream.whenGrown(() => queueMicrotask(() => isOver || onGrown()))
  return () => {
    isOver = true
    forget()
  }
}

/** Resolves when the head of the stream has moved, or when it is time to look again. */
export function headMoved(stream: { grown(until: AbortSignal): Promise<void> }): Promise<void> {
  return stream.grown(AbortSignal.timeout(READ_AGAIN_MS))
}
