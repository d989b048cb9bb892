/**
 * What the tests of the given systems share: two gateway processes on one database behind one address, and a story with
 * the faults that the clients of a system meet. Each test brings the clients of its system, and what is reported to them;
 * the story asserts that every client receives every report, once and in order.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { startBalancer } from '../../harness/balancer.js'
import { createDatabase, type TestDatabase } from '../../harness/database.js'
import { patienceSignal } from '../../harness/patience.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { until } from '../../harness/until.js'

const AWAY_MS = 4_000
const REPORT_EVERY_MS = 40
const RETRY_MS = 200
const PATIENCE_MS = 60_000

export interface System {
  /** The only address that clients and reporters know. */
  readonly url: string
  /** A way to the database that no fault closes. */
  readonly database: TestDatabase
  /** Stops the gateway that has the clients, as a deployment does, and starts another one. */
  sigterm(): Promise<void>
  /** The same with `kill -9`. */
  kill(): Promise<void>
  /** Cuts all connections of the gateways to the database, and refuses new ones for this time. */
  databaseAway(ms: number): Promise<void>
}

/** A client as its system documents it. It reconnects by itself, in the documented way. */
export interface SystemClient {
  /** The reports that it has received, each in one text, in the order in which they arrived. */
  readonly seen: readonly string[]
  /** Whether it knows that nothing follows. */
  readonly ended: boolean
  close(): void
}

export interface Reports {
  /** The reports that are stored, in their order, as clients see them. */
  readonly stored: readonly string[]
  /** Makes no further report. Resolves when the last one is stored. */
  stop(): Promise<void>
}

export interface Play {
  /** By name, how each kind of client connects for the first time. */
  readonly clients: Readonly<Record<string, () => SystemClient>>
  readonly reports: Reports
  /** Which reports a kind of client shows. Default: all. */
  readonly shows?: (client: string, report: string) => boolean
  /** Ends what the clients follow. */
  end(): Promise<void>
}

/**
 * Early clients meet a SIGTERM, a `kill -9` and a database that is away for 4 s; then others connect late, then it ends,
 * then others connect after the end.
 * @param env additional settings of the gateways.
 */
export async function playStory(
  t: Test,
  begin: (system: System) => Promise<Play>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const system = await startSystem(t, env)
  const play = await begin(system)
  const everybody: { readonly name: string; readonly client: SystemClient }[] = []
  const connect = (when: string) => {
    for (const [name, open] of Object.entries(play.clients)) {
      const client = open()
      t.teardown(() => client.close())
      everybody.push({ name: `${name}, connected ${when}`, client })
    }
  }
  const expected = (name: string) =>
    play.reports.stored.filter(report => play.shows?.(name.replace(/, connected .*/, ''), report) ?? true)
  const live = (when: string) => {
    const mark = new Map(everybody.map(({ name }) => [name, expected(name).length]))
    const behind = () => everybody.filter(({ name, client }) => client.seen.length <= (mark.get(name) ?? 0))
    return until(`every client receives reports ${when}`, () => behind().length === 0, PATIENCE_MS)
  }

  connect('early')
  await live('at the beginning')
  await system.sigterm()
  await live('after a SIGTERM')
  await system.kill()
  await live('after a kill -9')
  await system.databaseAway(AWAY_MS)
  await live('after the database was away')
  connect('late')
  await live('late')
  await play.reports.stop()
  await play.end()
  connect('after the end')
  const ended = () => everybody.every(({ name, client }) => client.ended && atLeast(client, expected(name)))
  const over = await until('every client receives the end', ended, PATIENCE_MS).catch((late: Error) => late)

  t.equal(over, undefined)
  t.strictSame(
    everybody.flatMap(({ name, client }) => differences(name, client.seen, expected(name))),
    [],
  )
}

/** Calls `report` with 1, 2, 3, … until it is stopped. `report` resolves with what the clients will see, when it is stored. */
export function startReports(t: Test, report: (n: number) => Promise<string>): Reports {
  const stored: string[] = []
  let stopped = false
  const running = (async () => {
    for (let n = 1; !stopped; n += 1) {
      stored.push(await report(n))
      await pause(REPORT_EVERY_MS)
    }
  })()
  // `stop` passes the failure on.
  running.catch(() => {})
  const stop = async () => {
    stopped = true
    await running
  }
  t.teardown(() => {
    stopped = true
  })
  return { stored, stop }
}

/**
 * Sends a request until a gateway has an answer other than "later", as reporters of the systems do. The request must be
 * safe to repeat: with an `Idempotency-Key`, or by its nature.
 */
export async function send(url: string, init: RequestInit): Promise<Response> {
  const late = patienceSignal(PATIENCE_MS)
  for (;;) {
    const response = await fetch(url, init).catch((error: Error) => error)
    if (!(response instanceof Error) && response.status !== 503) return response
    if (late.aborted) {
      throw response instanceof Error ? response : new Error(`${response.status} ${await response.text()}`)
    }
    await pause(RETRY_MS)
  }
}

async function startSystem(t: Test, env: Readonly<Record<string, string>>): Promise<System> {
  const database = await createDatabase(t)
  const proxy = await startProxy(t, database.url)
  const start = () => startProcess(t, { databaseUrl: proxy.url, env })
  const gateways = await Promise.all([start(), start()])
  const balancer = await startBalancer(t, [])
  const replace = async (stop: (gateway: GatewayProcess) => Promise<void>) => {
    // New connections went to the first one, so it has the clients.
    const [first, ...others] = gateways
    if (first) await stop(first)
    gateways.splice(0, gateways.length, ...others, await start())
    balancer.ports = gateways.map(({ port }) => port)
  }
  balancer.ports = gateways.map(({ port }) => port)
  return {
    url: balancer.url,
    database,
    sigterm: () =>
      replace(async gateway => {
        t.equal(await gateway.stop(), 0, 'the gateway stops in order')
      }),
    kill: () => replace(gateway => gateway.kill()),
    async databaseAway(ms) {
      await proxy.unplug()
      for (const { url } of gateways) {
        const isDegraded = async () => Object(await (await fetch(`${url}/ready`)).json()).mode !== 'normal'
        await until('the gateways have noticed', isDegraded, PATIENCE_MS)
      }
      await pause(ms)
      await proxy.plugIn()
    },
  }
}

/** In few words: a list of thousands of reports would take minutes to show. */
function differences(name: string, seen: readonly string[], expected: readonly string[]): string[] {
  const at = expected.findIndex((report, index) => seen[index] !== report)
  if (at < 0 && seen.length === expected.length) return []
  const place = at < 0 ? expected.length : at
  return [
    `${name}: ${seen.length} of ${expected.length} reports; number ${place + 1} is ${seen[place]}, not ${expected[place]}`,
  ]
}

function atLeast(client: SystemClient, reports: readonly string[]): boolean {
  return client.seen.length >= reports.length
}
