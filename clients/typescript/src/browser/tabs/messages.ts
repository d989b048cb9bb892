/** The messages between a tab and the host, which holds the one connection. Both sides run the same version of this package. */
import type { Credential } from '../../credentials.js'

/** What a feed selects, as in the URL of its stream. Feeds with equal filters share a connection. */
export interface Filter {
  readonly stream?: string | undefined
  readonly types?: string | undefined
  readonly where?: string | undefined
  readonly envelope?: string | undefined
}

/** The part of a client's options that the host needs for its own connection; times in milliseconds. */
export interface HostOptions {
  /** The URL of the gateway. */
  readonly url: string
  readonly withCredentials: boolean | undefined
  /** Whether tabs have credentials to give; if not, the browser has a cookie. */
  readonly hasCredentials: boolean
  readonly renewBefore: number | undefined
  readonly retry: number | undefined
  readonly max: number | undefined
  readonly timeout: number | undefined
  readonly confirmWithin: number | undefined
  readonly silence: number | undefined
}

/** `feed` is a number that the tab chooses for each of its connections. */
export type ToHost =
  | { readonly kind: 'join'; readonly feed: number; readonly filter: Filter; readonly options: HostOptions }
  /** The tab has consumed this many frames of the feed since it last said so. */
  | { readonly kind: 'consumed'; readonly feed: number; readonly count: number }
  | { readonly kind: 'leave'; readonly feed: number }
  /** The answer to `credentials`; without any if the tab could not get them. */
  | { readonly kind: 'credentials'; readonly credentials: Credential | undefined }
  | { readonly kind: 'ping' }
  /** The tab goes away, or will be frozen. */
  | { readonly kind: 'bye' }

export type ToTab =
  /** The host has had every event up to the cursor `id`; everything after that follows as frames. `mode` is that of the gateway. */
  | { readonly kind: 'joined'; readonly feed: number; readonly id: string; readonly mode: string }
  | { readonly kind: 'frame'; readonly feed: number; readonly frame: Frame }
  /** The connection was interrupted, or the tab is too slow to keep up: join again. */
  | { readonly kind: 'ended'; readonly feed: number }
  /** The stream is closed, and nothing follows (204). */
  | { readonly kind: 'complete'; readonly feed: number }
  | { readonly kind: 'refused'; readonly feed: number; readonly refusal: Refusal }
  /** The host needs credentials, newer ones than before with `isRefresh`. */
  | { readonly kind: 'credentials'; readonly isRefresh: boolean }
  | { readonly kind: 'pong' }
  /** The host has forgotten this tab, or stops. */
  | { readonly kind: 'gone' }

/** A block of the stream. */
export interface Frame {
  /** Whether it is an event of the log, and no notice. */
  readonly isEvent: boolean
  readonly id: string
  /** '' for an unnamed message. */
  readonly event: string
  readonly data: string
}

/** Why the gateway refused the host, for the tab to handle as its own response. */
export interface Refusal {
  readonly status: number
  readonly problem: Readonly<Record<string, unknown>>
}
