/**
 * All our clients at once, on three gateways behind one address, while gateways, the database, the login and the clients themselves
 * fail. Each must end with every event of the log, in order; only a client that was killed between an event and its cursor gets that
 * event again, and a consumer any number of those that it has not acknowledged.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { type Balancer, startBalancer } from '../../harness/balancer.js'
import { gatewayEnvironment, ownFolder } from '../../harness/command-line.js'
import { byNight } from '../../harness/nightly.js'
import { type OwnPostgres, preparePostgres } from '../../harness/postgres.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { until } from '../../harness/until.js'
import { allFollowers, createConsumers, TABLES } from './all-followers.js'
import { build, start, withoutGo } from './go/programs.js'
import { compare, compareAgain, LastingFollower } from './lasting-follower.js'
import { keepToken, type Login, startLogin } from './login.js'
import { TYPE, type Writer, writeInSql, writeOverHttp, writeThrough } from './numbered-writers.js'
import { pythonEnvironment, withoutPython } from './python/environment.js'

/** By night several, for what adds up over rounds. */
const ROUNDS = byNight(1, 4)
const KILLS = byNight(2, 5)
/** A client waits up to 30 s between two attempts, and notices a dead connection after 65 s if its watchdog is not set. */
const PATIENCE_MS = 120_000
const BUILT = 'nothing-lost'
const env = { HEARTBEAT_MS: '500' }

interface World {
  readonly t: Test
  readonly postgres: OwnPostgres
  readonly pool: Database
  readonly gateways: GatewayProcess[]
  readonly balancer: Balancer
  readonly login: Login
  readonly followers: readonly LastingFollower[]
  readonly writers: readonly Writer[]
}

const skip = withoutGo() || withoutPython

t.test('every client ends with every event, in order, whatever fails', { skip }, async t => {
  const world = await begin(t)
  const began = performance.now()
  for (let round = 0; round < ROUNDS; round += 1) {
    await killGateways(world)
    await killFollowers(world)
    await freezeGateway(world)
    await restartDatabase(world)
    await letCredentialsExpire(world)
  }
  for (const writer of world.writers) await writer.stop()
  await caughtUp(world)
  await check(world)
  t.comment(`${Math.round((performance.now() - began) / 1_000)} s`)
})

async function begin(t: Test): Promise<World> {
  const [goFollow, goConsume, goExactlyOnce, goPublish] = await Promise.all([
    build('examples/follow', BUILT),
    build('examples/consume', BUILT),
    build('examples/exactly-once', BUILT),
    build('examples/publish', BUILT),
  ])
  const python = await pythonEnvironment(BUILT)
  const postgres = await preparePostgres(t)
  await postgres.start()
  const databaseUrl = postgres.url
  const pool = createPool(databaseUrl, {
    max: 5,
    name: 'test',
    settings: { search_path: 'public' },
    onError: () => undefined,
  })
  t.teardown(() => pool.end())
  const gateways = [await startProcess(t, { databaseUrl, env })]
  gateways.push(
    ...(await Promise.all([startProcess(t, { databaseUrl, env }), startProcess(t, { databaseUrl, env })])),
  )
  const balancer = await startBalancer(
    t,
    gateways.map(({ port }) => port),
  )
  const login = await startLogin(t)
  const folder = await ownFolder(t)
  const tokenFile = join(folder, 'token')
  await keepToken(t, login, tokenFile)
  await pool.query(TABLES)
  const { url } = balancer
  const around = {
    url,
    login: login.url,
    tokenFile,
    folder,
    databaseUrl,
    pool,
    python,
    goFollow,
    goConsume,
    goExactlyOnce,
  }
  const followers = allFollowers(around).map(program => new LastingFollower(t, program))
  await createConsumers(url, followers)
  for (const follower of followers) {
    rotate(balancer)
    follower.start()
  }
  // Without a cursor some begin with the newest events.
  for (const follower of followers.filter(({ program }) => program.isRenewing)) {
    await until(`${follower.name} is connected`, () => follower.count('server.state') > 0, PATIENCE_MS)
  }
  const publisher = start(t, goPublish, gatewayEnvironment(url), [TYPE])
  const writers = [writeInSql('sql', pool), writeOverHttp('http', url), writeThrough('go', publisher)]
  await until('each has written', () => writers.every(({ stored }) => stored.length > 0), PATIENCE_MS)
  const world = { t, postgres, pool, gateways, balancer, login, followers, writers }
  await caughtUp(world)
  return world
}

/** One after the other, so that every client has been on one of them. */
async function killGateways(world: World): Promise<void> {
  const { t, gateways, postgres } = world
  for (const [n, gateway] of gateways.entries()) {
    await gateway.kill()
    await caughtUp(world)
    gateways[n] = await startProcess(t, { databaseUrl: postgres.url, env, port: gateway.port })
  }
}

async function killFollowers(world: World): Promise<void> {
  for (let kills = 0; kills < KILLS; kills += 1) {
    for (const follower of world.followers) await killFollower(world, follower)
    await caughtUp(world)
  }
}

async function killFollower({ balancer }: World, follower: LastingFollower): Promise<void> {
  await follower.kill()
  rotate(balancer)
  follower.start()
}

/** The gateway that all are on. Its connections stay open and are silent. */
async function freezeGateway(world: World): Promise<void> {
  const { gateways, balancer, followers } = world
  const [frozen, ...others] = gateways
  const ports = others.map(({ port }) => port)
  for (const follower of followers) {
    balancer.ports = [frozen?.port ?? 0, ...ports]
    await follower.kill()
    follower.start()
  }
  await caughtUp(world)
  frozen?.signal('SIGSTOP')
  balancer.ports = ports
  await caughtUp(
    world,
    followers.filter(({ program }) => byNight(program.isWatchful, true)),
  )
  frozen?.signal('SIGCONT')
  balancer.ports = gateways.map(({ port }) => port)
  await caughtUp(world)
}

async function restartDatabase(world: World): Promise<void> {
  const { gateways, postgres } = world
  await postgres.stop()
  for (const { url } of gateways) {
    const isDegraded = async () => Object(await (await fetch(`${url}/ready`)).json()).mode !== 'normal'
    await until('the gateways are degraded', isDegraded, PATIENCE_MS)
  }
  await postgres.start()
  await caughtUp(world)
}

async function letCredentialsExpire(world: World): Promise<void> {
  const { login, followers } = world
  const renewing = followers.filter(({ program }) => program.isRenewing)
  const hearMore = async (word: string) => {
    const before = renewing.map(follower => follower.count(word))
    for (const [n, follower] of renewing.entries()) {
      const hasMore = () => follower.count(word) > (before[n] ?? 0)
      await until(`${follower.name} hears ${word}`, hasMore, PATIENCE_MS)
    }
  }
  await hearMore('auth-renewed')
  login.isAway = true
  await hearMore('auth-expired')
  login.isAway = false
  await caughtUp(world)
}

async function check({ t, pool, followers, writers }: World): Promise<void> {
  const { rows } = await pool.query(
    `select e."position", e.event_id, e.data->>'writer' as writer, (e.data->>'n')::int as n
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  const log = rows.map(row => formatEventId(row.position, row.event_id))
  for (const { name, stored, repeats } of writers) {
    const numbers: number[] = rows.filter(({ writer }) => writer === name).map(({ n }) => n)
    t.ok(stored.length > 100, `${name} wrote ${stored.length}`)
    t.strictSame(numbers, repeats ? stored : numbers.toSorted((a, b) => a - b), `${name} in its order`)
    t.strictSame(new Set(numbers).size, numbers.length, `${name}, each once`)
    const there = new Set(numbers)
    t.strictSame(
      stored.filter(n => !there.has(n)),
      [],
      `${name}: what was confirmed is stored`,
    )
  }
  for (const follower of followers) {
    const { name, program, kills } = follower
    const lives = program.kept ? [await program.kept()] : follower.printed()
    const { repeated, fault } = program.consumer ? compareAgain(lives, log) : compare(lives, log)
    t.equal(fault, undefined, name)
    if (!program.consumer) t.ok(repeated <= (program.kept ? 0 : kills), `${name}: ${repeated} came again`)
    t.comment(`${name}: ${lives.flat().length} deliveries, ${kills} kills, ${repeated} came again`)
  }
  t.comment(`${log.length} events`)
}

/** Each follower has the newest event, or one that is newer. */
async function caughtUp(
  { pool, followers }: World,
  those: readonly LastingFollower[] = followers,
): Promise<void> {
  const { rows } = await pool.query(
    `select pg_sleep(0.2), e."position", e.event_id from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position" desc limit 1`,
  )
  const id = rows[0] && formatEventId(rows[0].position, rows[0].event_id)
  if (id === undefined) return
  for (const follower of those) {
    await until(`${follower.name} has ${id}:\n${follower.log()}`, () => follower.hasReached(id), PATIENCE_MS)
  }
}

/** The next one that connects comes to another gateway. */
function rotate(balancer: Balancer): void {
  const [first = 0, ...others] = balancer.ports
  balancer.ports = [...others, first]
}
