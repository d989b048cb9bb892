/** A request to publish, and the request to the log that it becomes: checked, and with its data as JSON text. */
import type { AppendRequest } from './append-request.js'
import type { NewEvent, Way } from './event.js'
import { idempotencyOf } from './idempotency.js'
import { dataOf } from './new-event.js'

export interface PublishRequest {
  readonly workspace: string
  readonly stream: string
  /** The id of the principal; idempotency keys belong to it. */
  readonly actor: string
  /** Default `http`. */
  readonly way?: Way | undefined
  /** At least one; all of them are stored, with consecutive positions, or none. */
  readonly events: readonly PublishedEvent[]
  /** A second request with the same key gets the receipt of the first; keys are remembered for 24 hours. */
  readonly idempotencyKey?: string | undefined
  /** Stores the events only if this is the id of the newest event; `0`: if the stream has never had one. */
  readonly expectedHead?: string | undefined
}

/** An event to publish, with the attributes of a CloudEvent as JSON text (cloudevent-attributes.ts), and with its valid traceparent. */
export type PublishedEvent = NewEvent & {
  readonly attributes?: string | undefined
  readonly traceparent?: string | undefined
}

/** @throws {Problem} 400 or 413 for events that may not be stored. */
export function prepare({
  workspace,
  stream,
  actor,
  way = 'http',
  events,
  idempotencyKey,
  expectedHead,
}: PublishRequest): AppendRequest {
  const prepared = events.map(event => ({ type: event.type, data: dataOf(event) }))
  // Without the attributes: one CloudEvent has them in another order, or as texts, in each of its modes.
  const idempotency =
    idempotencyKey === undefined
      ? undefined
      : idempotencyOf(idempotencyKey, [
          stream,
          prepared,
          ...(expectedHead === undefined ? [] : [expectedHead]),
        ])
  const whole = prepared.map((event, index) => ({
    ...event,
    attributes: events[index]?.attributes,
    traceparent: events[index]?.traceparent,
  }))
  return { workspace, stream, actor, way, events: whole, idempotency }
}
