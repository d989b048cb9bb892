/** Repeats a read of the log while it fails. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Notice } from '../sse/encoding.js'

export const READ_AGAIN_MS = 500
/** What clients get meanwhile. */
export const UNREADABLE: Notice = {
  name: 'error',
  data: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' },
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
