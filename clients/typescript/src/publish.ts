/** Publishing: a publish that is repeated is stored once. */
import type { JsonObject } from './events.js'
import type { Gateway } from './requests.js'

export interface NewEvent {
  readonly type: string
  readonly data: JsonObject
}

/** Where an event was stored. */
export interface StoredEvent {
  readonly id: string
  readonly position: number
  readonly at: string
  readonly event_id: string
}

export interface PublishOptions {
  /** Default: the feed of the workspace. */
  readonly stream?: string | undefined
  /** Identifies this publish, for 24 hours. Default: one that is generated for this call, so that its retries are safe. */
  readonly idempotencyKey?: string | undefined
  /** Store the events only if this is the newest event of the stream; else a RefusedError with the code `head-differs`. */
  readonly expectedHead?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Publishes one to 1,000 events, all or none. @returns their places, in the order of `events`. */
export async function publish(
  gateway: Gateway,
  events: NewEvent | readonly NewEvent[],
  { stream, idempotencyKey = newKey(), expectedHead, signal }: PublishOptions = {},
): Promise<readonly StoredEvent[]> {
  const { body } = await gateway.request<{ events: readonly StoredEvent[] }>('POST', '/api/events', {
    body: events,
    headers: { 'Idempotency-Key': idempotencyKey },
    query: { stream, expected_head: expectedHead },
    signal,
    isRepeatable: true,
  })
  return body.events
}

/** `crypto.randomUUID` exists in secure contexts only, and pages of a development server may be none. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
