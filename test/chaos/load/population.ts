/** Which clients a run has: drawn by its seed, so that the same seed has the same clients. */
import type { Random } from '../../end-to-end/random.js'
import type { Manner } from '../../followers/manner.js'
import type { Place } from '../../followers/place.js'
import type { Range } from '../../followers/wanderer-options.js'
import type { WireForm } from '../../followers/wire.js'
import { SELECTIONS, STREAMS } from './streams.js'

/** So many principals for each workspace: a revocation concerns all clients of one. */
const PRINCIPALS = 25

/** What follows the stream: bare bytes, our library, the package `eventsource`, or a client of Durable Streams, which has no filters. */
export type Kind = 'wire' | 'library' | 'event-source' | 'durable'

export interface ClientPlan extends Place {
  readonly name: string
  readonly kind: Kind
  readonly principal: string
  readonly form: WireForm
  readonly types: readonly string[] | undefined
  readonly granted: readonly string[] | undefined
  readonly where: boolean
  readonly from: 'beginning' | 'now'
  readonly manner: Manner
  readonly stay: Range
  readonly away: Range
  readonly seed: number
}

/** Clients that may not see their stream. */
const STRANGERS = 0.02
/** Milliseconds: most clients stay for half a minute in the middle, and some come and go all the time. */
const STAYS = {
  usual: { least: 1_000, most: 60_000 },
  restless: { least: 50, most: 2_500 },
} as const
const AWAYS = {
  usual: { least: 0, most: 3_000 },
  restless: { least: 0, most: 400 },
} as const
const MANNERS: readonly (readonly [Manner, number])[] = [
  ['steady', 65],
  ['slow', 18],
  ['stop-and-go', 15],
  ['trickle', 2],
]
const KINDS: readonly (readonly [Kind, number])[] = [
  ['wire', 66],
  ['library', 14],
  ['event-source', 12],
  ['durable', 8],
]
const FORMS: readonly (readonly [WireForm, number])[] = [
  ['text/event-stream', 60],
  ['application/x-ndjson', 25],
  ['envelope', 15],
]

export function populate(random: Random, count: number): ClientPlan[] {
  return Array.from({ length: count }, (_, n) => {
    const place = STREAMS[n % STREAMS.length] ?? random.pick(STREAMS)
    const isRestless = random.chance(0.04)
    const kind = weighed(random, KINDS)
    // EventSource of this library does not show the blocks that move the cursor over hidden events, so a reset to one that is lost would
    // seem untrue.
    const isFiltered = kind === 'wire' || kind === 'library'
    const isGranted = isFiltered && random.chance(0.15)
    const isStranger = random.chance(STRANGERS)
    const granted = isStranger ? [] : isGranted ? random.pick(SELECTIONS) : undefined
    return {
      ...place,
      name: `client-${n}`,
      kind,
      principal: principalOf(random.between(0, PRINCIPALS - 1)),
      form: weighed(random, FORMS),
      // A part of the types that it may see.
      types:
        isFiltered && random.chance(0.35) && !isStranger ? (granted ?? random.pick(SELECTIONS)) : undefined,
      granted,
      where: isFiltered && random.chance(0.15),
      from: random.chance(0.7) || kind === 'durable' ? 'beginning' : 'now',
      manner: weighed(random, MANNERS),
      stay: isRestless ? STAYS.restless : STAYS.usual,
      away: isRestless ? AWAYS.restless : AWAYS.usual,
      seed: random.between(0, 0x7fffffff),
    }
  })
}

/** All principals of clients, each of which may be revoked. */
export const PRINCIPALS_BY_WORKSPACE: readonly { readonly workspace: string; readonly principal: string }[] =
  [...new Set(STREAMS.map(({ workspace }) => workspace))].flatMap(workspace =>
    Array.from({ length: PRINCIPALS }, (_, n) => ({ workspace, principal: principalOf(n) })),
  )

function principalOf(n: number): string {
  return `reader-${n}`
}

function weighed<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  return random.pick(choices.flatMap(([choice, weight]) => Array.from({ length: weight }, () => choice)))
}
