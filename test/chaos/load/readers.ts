/** A process of clients: it starts those of its plan, and reports until all have the last event of their streams. */
import { setTimeout as pause } from 'node:timers/promises'
import { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import { type Follower, reportOf, settleAll, type Tally } from '../../followers/follower.js'
import { Wanderer } from '../../followers/wanderer.js'
import { reportEvery, takeOrders } from './child.js'
import { authorizationOf } from './credentials.js'
import { DurableReader } from './durable-reader.js'
import { EventSourceClient } from './event-source-client.js'
import { LibraryClient } from './library-client.js'
import type { ClientPlan } from './population.js'

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
/** Some clients, drawn by the seed, bring an id that they have made up, once. */
export interface ForgeOrder {
  readonly kind: 'forge'
  readonly count: number
  readonly seed: number
}
export type ReadersOrder = ReadersStart | SettleOrder | ForgeOrder | { readonly kind: 'end' }

const REPORT_MS = 500

const tally: Tally = { connections: 0, refusals: 0, deliveries: 0 }
let followers: Follower[] = []
let recorder: Recorder | undefined

const stopReports = reportEvery(REPORT_MS, () => reportOf(followers, tally))
takeOrders<ReadersOrder>(async order => {
  if (order.kind === 'start') start(order)
  else if (order.kind === 'settle') await settleAll(followers, order.last)
  else if (order.kind === 'forge') forge(order)
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

function forge({ count, seed }: ForgeOrder): void {
  const random = new Random(seed)
  const able = followers.flatMap(each => (each instanceof Wanderer && !each.isDone ? each : []))
  for (let n = 0; n < count && able.length > 0; n += 1) random.pick(able).forge()
}

interface Common {
  readonly recorder: Recorder
  readonly origin: string
  readonly silenceMs: number
}

function followerOf(plan: ClientPlan, common: Common): Follower {
  const { granted, stream } = plan
  const grants = granted && { subscribe: granted.length > 0 ? [stream] : [], types: granted }
  const authorization = authorizationOf({ ...plan, role: 'viewer', grants })
  const options = { ...plan, ...common, origin: () => common.origin, authorization, tally }
  if (plan.kind === 'durable') return new DurableReader({ ...options, random: new Random(plan.seed) })
  if (plan.kind === 'library') return new LibraryClient(options)
  if (plan.kind === 'event-source') return new EventSourceClient(options)
  return new Wanderer({ ...options, obeys: true, isRude: true, random: new Random(plan.seed) })
}
