/** A process of clients: it starts those of its plan, and reports until all have the last event of their streams. */
import { setTimeout as pause } from 'node:timers/promises'
import { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import { reportEvery, takeOrders } from './child.js'
import { authorizationOf } from './credentials.js'
import { EventSourceClient } from './event-source-client.js'
import type { Follower, Tally } from './follower.js'
import { LibraryClient } from './library-client.js'
import type { ClientPlan } from './population.js'
import { Wanderer } from './wanderer.js'

export interface ReadersStart {
  readonly kind: 'start'
  readonly plans: readonly ClientPlan[]
  readonly origin: string
  /** The file of its history. */
  readonly path: string
  readonly silenceMs: number
  /** The clients come within so many milliseconds. */
  readonly withinMs: number
}
/** @property last the id of the last event, by `<workspace>/<stream>`. */
export interface SettleOrder {
  readonly kind: 'settle'
  readonly last: Readonly<Record<string, string>>
}
export type ReadersOrder = ReadersStart | SettleOrder | { readonly kind: 'end' }

export interface ReadersReport extends Tally {
  readonly clients: number
  readonly done: number
  /** Some clients that lack the last event, with their places. */
  readonly missing: readonly string[]
}

const REPORT_MS = 500
const SHOWN = 10

const tally: Tally = { connections: 0, refusals: 0, deliveries: 0 }
let followers: Follower[] = []
let recorder: Recorder | undefined

const stopReports = reportEvery(REPORT_MS, report)
takeOrders<ReadersOrder>(async order => {
  if (order.kind === 'start') start(order)
  else if (order.kind === 'settle') for (const each of followers) each.settle(order.last[each.stream] ?? '')
  else {
    for (const each of followers) each.stop()
    stopReports()
    await recorder?.close()
    process.exit()
  }
})

function start({ plans, origin, path, silenceMs, withinMs }: ReadersStart): void {
  const target = new Recorder({ path })
  recorder = target
  followers = plans.map(plan => followerOf(plan, { recorder: target, origin, silenceMs }))
  for (const [n, follower] of followers.entries())
    void pause((withinMs * n) / followers.length).then(() => follower.follow())
}

interface Common {
  readonly recorder: Recorder
  readonly origin: string
  readonly silenceMs: number
}

function followerOf(plan: ClientPlan, common: Common): Follower {
  const { granted, stream } = plan
  const grants = granted && { subscribe: [stream], types: granted }
  const authorization = authorizationOf({ ...plan, role: 'viewer', grants })
  const options = { ...plan, ...common, origin: () => common.origin, authorization, tally }
  if (plan.kind === 'library') return new LibraryClient(options)
  if (plan.kind === 'event-source') return new EventSourceClient(options)
  return new Wanderer({ ...options, obeys: true, isRude: true, random: new Random(plan.seed) })
}

function report(): ReadersReport {
  const missing = followers.filter(each => !each.isDone)
  return {
    ...tally,
    clients: followers.length,
    done: followers.length - missing.length,
    missing: missing.slice(0, SHOWN).map(({ name, place }) => `${name} at ${place}`),
  }
}
