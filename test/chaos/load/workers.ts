/** The process of the work that is handed out: jobs with the programs that follow them, consumers, webhooks, subscriptions. */
import { createPool } from '../../../src/database/pool.js'
import { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import {
  type Follower,
  type FollowersReport,
  reportOf,
  settleAll,
  type Tally,
} from '../../followers/follower.js'
import { Wanderer } from '../../followers/wanderer.js'
import { reportEvery, takeOrders } from './child.js'
import { CONSUMERS, Consumer } from './consumers.js'
import { authorizationOf } from './credentials.js'
import { Cursors } from './cursors.js'
import { DurableSubscription, SUBSCRIPTIONS } from './durable-subscription.js'
import { Jobs } from './jobs.js'
import type { SettleOrder } from './readers.js'
import { TASKS } from './streams.js'
import { WEBHOOKS, Webhook } from './webhooks.js'

export interface WorkersStart {
  readonly kind: 'start'
  readonly origin: string
  readonly databaseUrl: string
  readonly path: string
  readonly seed: number
  readonly silenceMs: number
  readonly jobsPerSecond: number
}
export type WorkersOrder = WorkersStart | SettleOrder | { readonly kind: 'stop' } | { readonly kind: 'end' }

export interface WorkersReport extends FollowersReport {
  /** Whether all of it was created. */
  readonly isReady: boolean
  /** Whether nothing new is begun, and all that was begun has ended. */
  readonly isStopped: boolean
}

const REPORT_MS = 500
/** A broken connection must not stop the process. */
const QUERY_MS = 10_000
const STAY = { least: 200, most: 20_000 } as const
const AWAY = { least: 0, most: 1_000 } as const

const tally: Tally = { connections: 0, refusals: 0, deliveries: 0 }
const followers: Follower[] = []
let jobs: Jobs | undefined
let recorder: Recorder | undefined
let cursors: Cursors | undefined
let isReady = false
let isStopped = false

const stopReports = reportEvery(
  REPORT_MS,
  (): WorkersReport => ({ ...reportOf(followers, tally), isReady, isStopped }),
)
takeOrders<WorkersOrder>(async order => {
  if (order.kind === 'start') await start(order)
  else if (order.kind === 'stop') await stop()
  else if (order.kind === 'settle') await settleAll(followers, order.last)
  else {
    cursors?.stop()
    for (const each of followers) each.stop()
    stopReports()
    await recorder?.close()
    process.exit()
  }
})

async function start({ origin, databaseUrl, path, seed, silenceMs, jobsPerSecond }: WorkersStart) {
  const target = new Recorder({ path })
  recorder = target
  const random = new Random(seed)
  const pool = createPool(databaseUrl, {
    max: 3,
    name: 'load',
    queryTimeoutMs: QUERY_MS,
    onError: () => undefined,
  })
  const options = { origin, recorder: target, random, tally, silenceMs }
  const watched = new Cursors(pool, TASKS.workspace)
  cursors = watched
  for (const plan of CONSUMERS) {
    const consumer = await Consumer.create(plan, { ...options, random: random.fork() })
    watched.on(plan.name, position => consumer.moved(position))
    followers.push(consumer)
  }
  for (const plan of WEBHOOKS) {
    const webhook = await Webhook.create(plan, { ...options, random: random.fork() })
    watched.on(webhook.id, position => webhook.moved(position))
    followers.push(webhook)
  }
  for (const plan of SUBSCRIPTIONS) {
    const subscription = await DurableSubscription.create(plan, { ...options, random: random.fork() })
    watched.on(plan.id, position => subscription.moved(position))
    followers.push(subscription)
  }
  for (const each of followers) void each.follow()
  void watched.look()
  const principal = 'watcher'
  jobs = new Jobs({
    origin,
    pool,
    recorder: target,
    random: random.fork(),
    perSecond: jobsPerSecond,
    follow(workspace, stream) {
      const added = Array.from({ length: random.between(1, 2) }, (_, n) => {
        return new Wanderer({
          name: `${stream}-${n}`,
          workspace,
          stream,
          recorder: target,
          types: undefined,
          from: 'beginning',
          origin: () => origin,
          authorization: authorizationOf({ workspace, principal, role: 'viewer' }),
          form: random.pick(['text/event-stream', 'application/x-ndjson', 'envelope'] as const),
          manner: random.pick(['steady', 'steady', 'slow'] as const),
          stay: STAY,
          away: AWAY,
          silenceMs,
          obeys: true,
          isRude: true,
          random: random.fork(),
          tally,
        })
      })
      followers.push(...added)
      return added
    },
  })
  jobs.start()
  isReady = true
}

async function stop(): Promise<void> {
  // The checker finds the jobs that have not ended.
  await jobs?.end().catch(console.error)
  isStopped = true
}
