/**
 * A stream as the Durable Streams protocol sees it, and the outcomes of the operations on it. Each outcome has what the headers of its
 * response need; none of them is an error of the database, which is thrown as a Problem.
 */
import type { Position, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'

export interface DurableStream {
  readonly name: string
  readonly streamId: StreamId
  /** The content type as its creator sent it; `application/json` for a stream that was not made by the protocol. */
  readonly contentType: string
  /** Seconds, as the client sent them; undefined: none. */
  readonly ttl: string | undefined
  /** The absolute expiry, as the client sent it. */
  readonly expires: string | undefined
  /** When the stream expires unless somebody uses it; undefined: never. */
  readonly expiresAt: Date | undefined
  readonly closed: boolean
  /** The last event, or the base of a stream without any. */
  readonly head: Head
  /** The last event that retention has removed; position 0 if it has removed none. */
  readonly base: Head
  /** The name of the stream that it was forked from. */
  readonly forkedFrom: string | undefined
  /** Whether the protocol made it. Others have no content type, TTL or fork of their own. */
  readonly made: boolean
  /** Whether it belongs to a job, or is the feed, or a stream of presence: such a stream is only read here. */
  readonly owned: boolean
}

/** `gone`: it was deleted while forks of it live, and its name stays taken. Undefined: there is none, or it has expired. */
export type Found = DurableStream | 'gone' | undefined

/** The headers by which a producer numbers a request (PROTOCOL §5.2.1). */
export interface ProducerClaim {
  readonly id: string
  readonly epoch: number
  readonly seq: number
}

export interface CreateRequest {
  /** Default: `application/octet-stream`; of a fork, that of its source. */
  readonly contentType?: string | undefined
  /** Seconds as a text without leading zeros. Not together with `expires`. */
  readonly ttl?: string | undefined
  readonly expires?: { readonly text: string; readonly at: Date } | undefined
  readonly closed?: boolean | undefined
  readonly fork?: ForkRequest | undefined
  /** Its messages become the first ones of the stream, after those that a fork inherits. */
  readonly body?: Buffer | undefined
}

export interface ForkRequest {
  /** The name of the source, in the same workspace. */
  readonly from: string
  /** Default: the head of the source. */
  readonly offset?: Position | undefined
  /** Messages of a JSON stream, or bytes of another, that the fork inherits beyond its offset. Default 0. */
  readonly subOffset?: number | undefined
}

export type CreateOutcome =
  | { readonly outcome: 'created' | 'exists'; readonly stream: DurableStream }
  /** Another configuration has this name (409). */
  | { readonly outcome: 'differs'; readonly what: 'content-type' | 'expiry' | 'closed' | 'fork' }
  /** The name is that of a deleted stream with forks (409), or of a stream with another owner (405). */
  | { readonly outcome: 'gone' | 'owned' }
  /** Refusals of a fork: 404, 409, 409, 400, 410, 400, 413. */
  | {
      readonly outcome:
        | 'source-not-found'
        | 'source-gone'
        | 'source-type-differs'
        | 'offset-beyond-head'
        | 'offset-below-base'
        | 'sub-offset-beyond'
        | 'source-too-large'
    }

export interface AppendBody {
  readonly contentType: string
  readonly bytes: Buffer
}

export interface DurableAppend {
  /** Undefined: nothing is stored, only `close`. */
  readonly body?: AppendBody | undefined
  readonly close?: boolean | undefined
  /** `Stream-Seq`: greater than that of the last request that had one, compared by bytes. Its scope is the stream. */
  readonly seq?: string | undefined
  readonly producer?: ProducerClaim | undefined
}

interface AtTail {
  /** The position of the last event after the request. */
  readonly tail: Position
  readonly closed: boolean
}

/** The highest sequence number that the stream has accepted from the producer in its epoch. */
export interface ProducerPlace {
  readonly epoch: number
  readonly seq: number
}

export type AppendOutcome =
  /** 200 with a producer and a body, else 204. Without a body: it is closed, by this request or before. */
  | (AtTail & { readonly outcome: 'stored'; readonly producer?: ProducerPlace | undefined })
  /** An earlier request of the producer has stored this (204). */
  | (AtTail & { readonly outcome: 'duplicate'; readonly producer: ProducerPlace })
  /** The stream is closed (409). */
  | (AtTail & { readonly outcome: 'closed' })
  | (AtTail & { readonly outcome: 'content-type-differs'; readonly contentType: string })
  /** `Stream-Seq` is not greater than the last one (409). */
  | (AtTail & { readonly outcome: 'seq-not-greater' })
  /** The producer has a newer epoch (403). */
  | { readonly outcome: 'stale-epoch'; readonly epoch: number }
  /** A new epoch must start with seq 0 (400). */
  | { readonly outcome: 'epoch-not-at-start' }
  /** Requests of the producer before this one are missing (409). */
  | { readonly outcome: 'producer-gap'; readonly expected: number; readonly received: number }
  /** The stream has too many producers that were active in the last days (429). */
  | { readonly outcome: 'too-many-producers' }
  | { readonly outcome: 'not-found' | 'gone' | 'owned' }

/** `foreign`: the protocol did not make it, and the caller may delete only what it made. */
export type RemoveOutcome = 'removed' | 'gone' | 'owned' | 'foreign' | 'not-found'
