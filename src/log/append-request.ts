/** One publish request as the log takes it, and the log's answer. */
import type { Position, StreamId, Way } from './event.js'
import type { Idempotency } from './idempotency.js'

export interface AppendRequest {
  readonly workspace: string
  readonly stream: string
  readonly actor: string
  /** Default: unknown. */
  readonly way?: Way | undefined
  readonly idempotency: Idempotency | undefined
  /** One or more; `data` is JSON text, and so are `attributes` (cloudevent-attributes.ts). `traceparent` is valid. */
  readonly events: readonly {
    readonly type: string
    readonly data: string
    readonly attributes?: string | null | undefined
    readonly traceparent?: string | null | undefined
  }[]
}

export interface PlacedEvent {
  readonly position: Position
  readonly eventId: string
  readonly at: Date
}

export type Refusal = 'stream-closed' | 'idempotency-key-reused' | 'too-many-stored-streams'

export type Outcome =
  | { readonly refused: Refusal }
  | {
      readonly refused: null
      readonly streamId: StreamId
      /** Whether this is the result of an earlier request with the same key. */
      readonly replayed: boolean
      /** UUID of the event before the first one, for the first request that stores events in the stream; null if unknown. */
      readonly previous: string | null
      readonly events: readonly PlacedEvent[]
    }
