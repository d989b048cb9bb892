/** How a client behaves that comes and goes. */
import type { Random } from '../end-to-end/random.js'
import type { Tally, Wanted } from './follower.js'
import type { Manner } from './manner.js'
import type { WireForm } from './wire.js'

/** Times in milliseconds. */
export interface Range {
  readonly least: number
  readonly most: number
}

export interface WandererOptions extends Wanted {
  /** Of the gateway, for each connection anew. */
  readonly origin: () => string
  /** Called for each request. @param isRefused whether the last ones were refused. */
  readonly authorization: (isRefused: boolean) => string
  readonly form: WireForm
  readonly manner: Manner
  /** How long it stays, and how long it is away when it has left by itself. */
  readonly stay: Range
  readonly away: Range
  /** A connection without a byte for so long is given up. Default: never. */
  readonly silenceMs?: number | undefined
  /** Waits as long as the server asks before it comes back after an end or a refusal. Default: it comes back as after it has left. */
  readonly obeys?: boolean
  /** Now and then it leaves without saying so. Default: it closes its connection. */
  readonly isRude?: boolean
  readonly random: Random
  readonly tally: Tally
}
