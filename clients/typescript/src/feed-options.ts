/** What an application can ask of a feed. */
import type { CursorStore, CursorStores } from './cursor-store.js'
import type { Notice } from './events.js'
import type { ConnectionOptions } from './stream-options.js'

export interface FeedOptions<Terms extends string = string> extends ConnectionOptions {
  /** Types of events, or prefixes that end in `*`. Default: all. */
  readonly types?: readonly Terms[] | undefined
  /** A condition on the data, such as `data.project eq "A12"` (docs/protocol.md, Filters). */
  readonly where?: string | undefined
  /** Default: the feed of the workspace. */
  readonly stream?: string | undefined
  /** Where to start without a stored cursor: `beginning`, `now`, an event id, or a time (RFC 3339). Default: `now`. */
  readonly from?: string | undefined
  /** Start with this many of the newest events instead. */
  readonly last?: number | undefined
  /** Events get their position, time and UUID, and `text` is the whole document. Default false. */
  readonly envelope?: boolean | undefined
  /** Keeps the cursor, so that a restarted application continues where it was. Default: in memory only. */
  readonly cursor?: CursorStore | CursorStores | undefined
  /**
   * `at-least-once` (default) saves the cursor after the application has processed an event, which it may get again after a crash;
   * `at-most-once` saves it before, so the application may miss an event after a crash.
   */
  readonly mode?: 'at-least-once' | 'at-most-once' | undefined
  /** Deliver an event with the id of the cursor, as the stream of a consumer may have it. Default false. */
  readonly repeats?: boolean | undefined
  /**
   * Called when events between the cursor and `notice.data.head` cannot be delivered, before any further event: load the state anew. If
   * it returns an event id, such as the `head` of a listing, the feed continues after that event; otherwise after `notice.data.head`.
   * Without this function, the feed ends with a SluiceError with the code `reset`.
   */
  reload?:
    | ((notice: Notice<'reset'>) => Promise<string | undefined> | Promise<void> | string | undefined)
    | undefined
  /** Called with each message of the gateway about the stream itself. */
  onNotice?: ((notice: Notice) => void) | undefined
}
