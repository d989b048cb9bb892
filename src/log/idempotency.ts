/**
 * Makes a retried publish store its events once. The caller chooses a key; a fingerprint of the request is stored with it, so
 * that the same key with another request is refused and does not get the wrong answer.
 */
import { createHash } from 'node:crypto'
import Type from 'typebox'
import { Problem } from '../problems/problem.js'

const KEY = /^[\x21-\x7e]{1,255}$/

export interface Idempotency {
  readonly key: string
  readonly fingerprint: string
}

/** The request header `Idempotency-Key`, to spread into the headers of a route. */
export function idempotencyHeader(
  description = 'A repeated request with the same key publishes once, for 24 hours.',
) {
  return { 'idempotency-key': Type.Optional(Type.String({ description })) }
}

/**
 * @param key 1 to 255 visible ASCII characters.
 * @param content the whole request except caller and stream, which are part of the stored key.
 * @throws {Problem} 400 `invalid-idempotency-key`.
 */
export function idempotencyOf(key: string, content: unknown): Idempotency {
  if (!KEY.test(key)) {
    throw new Problem(
      400,
      'invalid-idempotency-key',
      'An Idempotency-Key must have 1 to 255 visible ASCII characters, such as a UUID.',
    )
  }
  return { key, fingerprint: hash(content) }
}

/** The SHA-256 of the JSON text of `content`. */
export function hash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url')
}
