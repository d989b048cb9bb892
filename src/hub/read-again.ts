/** Repeats a read of the log while it fails. */
import { setTimeout as pause } from 'node:timers/promises'
import { databaseFault } from '../database/database-fault.js'
import { Problem } from '../problems/problem.js'
import type { Notice } from '../sse/encoding.js'

export const READ_AGAIN_MS = 500
/** What clients get meanwhile. */
export const UNREADABLE: Notice = {
  name: 'error',
  data: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' },
}

/** Whether a read may fail like this and succeed later: a fault of the database, or an index that is being built. */
export function isExpected(error: unknown): boolean {
  return databaseFault(error) !== undefined || error instanceof Problem
}

/**
 * Takes steps while `isGoing`. A step that fails is tried again twice a second. Never rejects.
 * @param onFailure called with the first of several failures in a row.
 */
export async function stepWhile(
  isGoing: () => boolean,
  step: () => Promise<void>,
  onFailure: (error: unknown) => void,
): Promise<void> {
  let failing = false
  while (isGoing()) {
    try {
      await step()
      failing = false
    } catch (error) {
      if (!failing) onFailure(error)
      failing = true
      await pause(READ_AGAIN_MS)
    }
  }
}

/** Resolves when the head of the stream has moved, or when it is time to look again. */
export function headMoved(stream: { grown(until: AbortSignal): Promise<void> }): Promise<void> {
  return stream.grown(AbortSignal.timeout(READ_AGAIN_MS))
}
