/** The options of a stream of events, and its states. */
import type { BackOffOptions } from './back-off.js'
import type { SluiceError } from './errors.js'

export type StreamState =
  | { readonly name: 'connecting' }
  | { readonly name: 'open' }
  /** It connects again after `ms` milliseconds, because of `reason`. */
  | { readonly name: 'waiting'; readonly ms: number; readonly reason: string }
  /** Closed for good. `reason` is `ended` (204), `closed` (by the application), or the code of `error`. */
  | { readonly name: 'closed'; readonly reason: string; readonly error?: SluiceError }

/** An event as the standard dispatches it. */
export interface Message {
  /** The last event id, from this block or an earlier one; '' if there was none. */
  readonly id: string
  /** `message` if the block names none. */
  readonly type: string
  readonly data: string
}

export interface ConnectionOptions extends BackOffOptions {
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined
  /** A connection without a byte for this many milliseconds is dead. Default 65000, two heartbeats of Sluice and a little. */
  readonly silence?: number | undefined
  /** The longest delay that the server can ask for (`retry`, `Retry-After`), in milliseconds. Default 300000. */
  readonly longest?: number | undefined
  /** Give up after this many failures in a row, with a GaveUpError. Default: never. */
  readonly attempts?: number | undefined
  /** An event of more bytes ends the stream with a ProtocolError. Default 16 MiB. */
  readonly maxEventBytes?: number | undefined
  /** Ends the stream, as `close` does. */
  readonly signal?: AbortSignal | undefined
  onState?: ((state: StreamState) => void) | undefined
}

export interface EventStreamOptions extends ConnectionOptions {
  /** Default GET. */
  readonly method?: string | undefined
  /** Sent again with each attempt. */
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
  /** The headers of each attempt; a function is called for each. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | (() => Promise<Readonly<Record<string, string>>>)
    | undefined
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined
  /** The first `Last-Event-ID`. */
  readonly lastEventId?: string | undefined
  onComment?: ((text: string) => void) | undefined
  /** Called when the server refuses an attempt. If it returns true, the stream tries again at once; otherwise it ends. */
  onRefused?: ((error: SluiceError) => boolean) | undefined
}
