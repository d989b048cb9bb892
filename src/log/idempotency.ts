/**
 * What makes a retried publish one event: the key that the caller chose, and a fingerprint of what was published
 * with it, so that a key which is used again for something else is refused instead of answered wrongly.
 */
import { createHash } from 'node:crypto'
import { Problem } from '../problems/problem.js'

const KEY = /^[\x21-\x7e]{1,255}$/

export interface Idempotency {
  readonly key: string
  readonly fingerprint: string
}

/**
 * @param key 1 to 255 visible ASCII characters.
 * @param content all that was asked for, except by whom and where: these are part of the key.
 * @throws {Problem} 400 `invalid-idempotency-key`.
 */
export function idempotencyOf(key: string, content: unknown): Idempotency {
  if (!KEY.test(key)) {
    throw new Problem(
      400,
      'invalid-idempotency-key',
      'An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.',
    )
  }
  return { key, fingerprint: hash(content) }
}

/** The SHA-256 of the JSON text of `content`. */
export function hash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url')
}
