/**
 * Webhooks while everything fails: receivers in every known way, one gateway, all gateways at once by `kill -9`, and Postgres. Each event
 * of the log from the start of an endpoint is accepted by its receiver, in order where the endpoint is ordered, and is signed.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { recordTable, WRITTEN } from '../../checker/recorded-table.js'
import { Recorder } from '../../checker/recorder.js'
import { isSignedWith } from '../../checker/webhook-request.js'
import { byNight } from '../../harness/nightly.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import type { GatewayProcess } from '../../harness/process.js'
import { until } from '../../harness/until.js'
import { startDeliveringGateway } from './delivering-gateway.js'
import {
  ALL_PLANS,
  administer,
  type CheckedEndpoint,
  createEndpoint,
  GONE,
  readWebhook,
} from './endpoints.js'

const ROUNDS = byNight(1, 20)
const EVENTS = byNight(25, 50)
/** A stalled request lasts 1 s, a lease of a killed gateway 3 s. */
const PATIENCE_MS = 60_000
/** By night an ordered endpoint fails 164 times, and each failure costs it a stalled request and a pause: four minutes. */
const CATCH_UP_MS = byNight(PATIENCE_MS, 600_000)
/** Of the answers of 100 MB, a gateway must hold nothing that can be seen. */
const MAX_GROWTH_BYTES = 200_000_000
const TYPES = ['parcel.created', 'parcel.moved', 'order.placed']

/** A workspace has a share of the database connections. */
const oneByOne = pLimit(2)
/** The test has ended, so nothing is stored any more. */
let isOver = false

interface World {
  readonly t: Test
  readonly recorder: Recorder
  readonly postgres: OwnPostgres
  readonly pool: Database
  readonly gateways: GatewayProcess[]
}

t.test('every event of the log reaches every webhook, in order, whatever fails', async t => {
  const world = await begin(t)
  const { pool, gateways, recorder } = world
  await publish(pool, EVENTS)
  const all = await oneByOne.map(ALL_PLANS, plan => createEndpoint(t, urlOf(world), recorder, plan))
  const gone = all.filter(({ name }) => name === GONE.name)
  const peaks = await Promise.all(gateways.map(peakBytes))

  await publish(pool, EVENTS)
  for (const { id } of gone) {
    const isDisabled = async () => (await readWebhook(urlOf(world), 'acme', id))?.state === 'disabled'
    await until('410 has disabled the endpoint', isDisabled, PATIENCE_MS)
    t.match(await administer(urlOf(world), 'acme', 'GET', `/${id}`), { state_reason: 'gone' })
    await administer(urlOf(world), 'acme', 'POST', `/${id}/resume`)
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    await killOne(world)
    await killAll(world)
    if (round === 0) for (const endpoint of all.slice(0, 2)) await rotate(world, endpoint)
    await restartDatabase(world)
    await publish(pool, EVENTS)
  }

  recorder.quiet()
  for (const { id, name, workspace, isHopeless = false } of all) {
    const caughtUp = async () => {
      const found = await readWebhook(urlOf(world), workspace, id)
      return found?.state === 'active' && found.lag.events > 0 === isHopeless
    }
    await until(`${name} is active, and ${isHopeless ? 'behind' : 'has caught up'}`, caughtUp, CATCH_UP_MS)
  }
  const grown = await Promise.all(gateways.map(peakBytes))
  await recordTable({ pool, recorder, forms: WRITTEN })
  const verdict = await recorder.judge()
  t.equal(verdict.findings, 0, `${verdict}`)
  const elsewhere = all.flatMap(({ path, receiver }) => receiver.received.filter(each => each.path !== path))
  t.strictSame(elsewhere, [], 'no redirect was followed')
  const growth = Math.max(...grown) - Math.max(...peaks)
  t.ok(growth < MAX_GROWTH_BYTES, `the largest gateway grew by ${growth} bytes`)
  t.comment(`${all.length} endpoints: ${verdict}`)
  const renewed = all.filter(({ newSecret }) => newSecret !== undefined)
  t.equal(renewed.length, 2)
  for (const { newSecret = '', receiver } of renewed)
    t.ok(
      receiver.received.slice(-1).every(last => isSignedWith(newSecret, last)),
      'the new secret signs',
    )
  for (const { path, receiver } of all.filter(({ name }) => name === 'parallel and slow'))
    t.ok(receiver.mostOpen(path) > 1, 'a parallel endpoint gets several requests at once')
})

async function begin(t: Test): Promise<World> {
  const postgres = await preparePostgres(t)
  await postgres.start()
  const settings = { search_path: 'public' }
  const pool = createPool(postgres.url, { max: 3, name: 'test', settings, onError: () => undefined })
  t.teardown(() => {
    isOver = true
    return pool.end()
  })
  const first = await startDeliveringGateway(t, postgres.url)
  const gateways = [first, await startDeliveringGateway(t, postgres.url)]
  const planned = ['gateway-killed', 'postgres-stopped']
  const recorder = new Recorder({ path: join(t.testdir(), 'history.jsonl'), header: { seed: 0, planned } })
  return { t, recorder, postgres, pool, gateways }
}

/** Its leases expire, and the other gateway takes over. */
async function killOne(world: World): Promise<void> {
  const [first, ...others] = world.gateways
  world.recorder.fault('gateway-killed')
  await Promise.all([publish(world.pool, EVENTS), first?.kill()])
  world.gateways.splice(0, world.gateways.length, ...others, await restarted(world, first))
}

async function killAll(world: World): Promise<void> {
  const { gateways, pool, recorder } = world
  recorder.fault('gateway-killed')
  await Promise.all([publish(pool, EVENTS), ...gateways.map(gateway => gateway.kill())])
  gateways.splice(
    0,
    gateways.length,
    ...(await Promise.all(gateways.map(gateway => restarted(world, gateway)))),
  )
}

async function restarted({ t, postgres }: World, gateway: GatewayProcess | undefined) {
  return await startDeliveringGateway(t, postgres.url, gateway?.port)
}

async function restartDatabase({ postgres, gateways, pool, recorder }: World): Promise<void> {
  const publishing = publish(pool, EVENTS)
  recorder.fault('postgres-stopped')
  await postgres.stop()
  for (const { url } of gateways) {
    const isDegraded = async () => Object(await (await fetch(`${url}/ready`)).json()).mode !== 'normal'
    await until('the gateways are degraded', isDegraded, PATIENCE_MS)
  }
  await postgres.start()
  recorder.healed('postgres-stopped')
  await publishing
}

/** Soon both secrets sign. */
async function rotate(world: World, endpoint: CheckedEndpoint): Promise<void> {
  const { id, workspace } = endpoint
  endpoint.newSecret = (await administer(urlOf(world), workspace, 'POST', `/${id}/rotate-secret`)).secret
}

function urlOf({ gateways }: World): string {
  return gateways[0]?.url ?? ''
}

/** From SQL, into two workspaces, in odd ways of writing JSON. Goes on when Postgres is back. */
async function publish(pool: Database, events: number): Promise<void> {
  for (let n = 0; n < events; n += 1) {
    const type = TYPES[n % TYPES.length]
    for (const workspace of ['acme', 'globex']) {
      const data = `{"n" :  ${n}, "text":"\\u00e9 é 𝄞", "n": 1.0e3}`
      const stored = () =>
        pool.query(`select sluice.publish($1, 'feed', $2, $3)`, [workspace, type, data]).then(
          () => true,
          error => {
            if (isOver) throw error
            return false
          },
        )
      await until('an event is stored', stored, PATIENCE_MS)
    }
  }
}

/** The most memory that the process has had. @throws {Error} with its last output if it has ended by itself. */
async function peakBytes({ pid, output }: GatewayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(cause => {
    throw new Error(`A gateway has ended:\n${output().slice(-2_000)}`, { cause })
  })
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1_024
}
