import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/pool.js'
import { recordTable } from '../checker/recorded-table.js'
import { Recorder } from '../checker/recorder.js'
import type { Tally } from '../followers/follower.js'
import { END } from '../followers/place.js'
import { Wanderer } from '../followers/wanderer.js'
import { createDatabase } from '../harness/database.js'
import { as } from '../harness/gateway.js'
import { startNginx, withoutNginx } from '../harness/nginx.js'
import { byNight } from '../harness/nightly.js'
import { afterPatience } from '../harness/patience.js'
import { startProcess } from '../harness/process.js'
import { seedOfRun } from '../harness/seed.js'
import { until } from '../harness/until.js'
import { type Logs, readLogs } from './logs.js'
import { type Counts, publishAll } from './publishers.js'
import { Random } from './random.js'

const CLIENTS = 50
const PUBLISHING_MS = byNight(12_000, 600_000)
/** Of a gateway with these clients. */
const MOST_RSS_MIB = 400
/** Connections to the database and from nginx, which stay open for a while. */
const DESCRIPTORS = 40
/** At most, if the time of publishing was too short for it. */
const MUCH_MS = 60_000
/** After the last event everybody must have it within this time. */
const ARRIVAL_MS = 30_000
const STAY_MS = { least: 50, most: 2_500 } as const
const AWAY_MS = { least: 0, most: 400 } as const

const STREAMS = [
  {
    workspace: 'acme',
    stream: 'feed',
    filters: [
      ['parcel.*', 'alarm.raised'],
      ['item.*', 'revision.created'],
    ],
  },
  { workspace: 'globex', stream: 'feed', filters: [['order.*'], ['parcel.deleted', 'note']] },
  { workspace: 'acme', stream: 'orders', filters: [['order.paid']] },
  { workspace: 'acme', stream: 'audit', filters: [['alarm.*', 'note']] },
  { workspace: 'globex', stream: 'telemetry', filters: [['note', 'order.placed']] },
] as const

const tally: Tally = { connections: 0, refusals: 0, deliveries: 0 }
const seed = seedOfRun()
const skip = withoutNginx()

t.test(`every client received exactly the events in the table (SLUICE_SEED=${seed})`, { skip }, async t => {
  const random = new Random(seed)
  const { url: databaseUrl, pool } = await createDatabase(t)
  await prepare(pool)
  const env = { HEARTBEAT_MS: '300' }
  const first = await startProcess(t, { databaseUrl, env })
  const second = await startProcess(t, { databaseUrl, env })
  const nginx = await startNginx(t, { upstreams: [first.port, second.port] })
  const planned = ['gateway-killed', 'listener-terminated']
  const recorder = new Recorder({ path: join(t.testdir(), 'history.jsonl'), header: { seed, planned } })
  recorder.write({ k: 'bound', measure: 'rss', most: MOST_RSS_MIB })
  recorder.write({ k: 'bound', measure: 'descriptors', growth: DESCRIPTORS })
  for (const gateway of [first, second]) await sample(recorder, gateway, 'base')
  const counts: Counts = { committed: 0, rolledBack: 0, requests: 0 }
  const wanderers = Array.from({ length: CLIENTS }, (_, n) => wanderer(n, nginx.url, recorder, random.fork()))
  const stopping = new AbortController()
  const giveUp = () => wanderers.forEach(each => void each.stop())
  t.teardown(() => stopping.abort())
  t.teardown(giveUp)

  const wandering = Promise.all(wanderers.map(each => each.follow()))
  const options = { origin: nginx.url, pool, recorder, counts, signal: stopping.signal }
  const publishing = publishAll({ ...options, random: random.fork() })
  publishing.catch(giveUp)
  await pause(PUBLISHING_MS / 4)
  await sample(recorder, second, 'load')
  recorder.fault('gateway-killed')
  await first.kill()
  await pause(PUBLISHING_MS / 12)
  const third = await startProcess(t, { databaseUrl, env, port: first.port })
  await pause(PUBLISHING_MS / 6)
  recorder.fault('listener-terminated')
  await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'sluice listen'`,
  )
  await pause(PUBLISHING_MS / 2)
  await Promise.race([publishing, until('much has happened', () => isMuch(counts), MUCH_MS)])
  stopping.abort()
  await publishing

  for (const gateway of [second, third]) await sample(recorder, gateway, 'load')
  for (const each of wanderers) each.settle('')
  for (const { workspace, stream } of STREAMS) {
    await pool.query('select sluice.publish($1, $2, $3, $4)', [workspace, stream, END, '{}'])
  }
  recorder.quiet()
  const callOff = afterPatience(ARRIVAL_MS, giveUp)
  await wandering
  callOff()

  await sample(recorder, second, 'end')
  await recordTable({ pool, recorder })
  const verdict = await recorder.judge()
  t.equal(verdict.findings, 0, `${verdict}`)
  for (const gateway of [first, second, third]) {
    t.notMatch(gateway.output(), /"level":[56]0/, 'no gateway had a fault of its own')
  }
  await checkState(t, pool, await readLogs(pool))
  t.comment(`seed ${seed}: ${verdict}, ${counts.requests} requests`)
  t.ok(verdict.count('connections') > 4 * CLIENTS, 'they came and went')
  t.ok(verdict.count('deliveries') > 20 * CLIENTS, 'and received much')
})

/** Whether enough was published, and not a little undone, while clients came and went. */
function isMuch({ rolledBack, committed }: Counts): boolean {
  const { connections, deliveries } = tally
  return rolledBack > 20 && committed > 200 && connections > 4 * CLIENTS && deliveries > 20 * CLIENTS
}

function wanderer(n: number, origin: string, recorder: Recorder, random: Random): Wanderer {
  const { workspace, stream, filters } = random.pick(
    STREAMS.slice(n % STREAMS.length, (n % STREAMS.length) + 1),
  )
  return new Wanderer({
    name: `${n}`,
    recorder,
    origin: () => origin,
    workspace,
    stream,
    random,
    authorization: () => as('viewer', workspace).authorization,
    stay: STAY_MS,
    away: AWAY_MS,
    form: random.chance(0.25) ? 'application/x-ndjson' : 'text/event-stream',
    types: random.chance(0.4) ? [...random.pick<readonly string[]>(filters), END] : undefined,
    from: random.chance(0.7) ? 'beginning' : 'now',
    manner: random.chance(0.2) ? 'slow' : 'steady',
    tally,
  })
}

async function prepare(pool: Database): Promise<void> {
  for (const { workspace, stream } of STREAMS)
    await pool.query('select sluice.ensure_stream($1, $2)', [workspace, stream])
  await pool.query('create table parcels (id int primary key, workspace text not null, note text)')
  await pool.query(`select sluice.watch('parcels', name => 'parcel', workspace_column => 'workspace')`)
}

/** What a gateway uses, as its metrics say. */
async function sample(recorder: Recorder, { url }: { url: string }, phase: 'base' | 'load' | 'end') {
  const response = await fetch(`${url}/metrics`, { headers: as('admin') })
  const text = await response.text()
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  const rss = Math.round(value('process_resident_memory_bytes') / 2 ** 20)
  const measures = { rss, descriptors: value('process_open_fds') }
  recorder.sample(url, phase, measures)
  return measures
}

/** What a client would make of the events alone is what the tables hold. */
async function checkState(t: Test, pool: Database, logs: Logs): Promise<void> {
  const parcels = await pool.query(
    `select workspace, id, row_to_json(p)::text as row from parcels p order by id`,
  )
  const items = await pool.query(
    `select part_number, revision from sluice.items order by part_number collate "C"`,
  )

  const seenParcels = ['acme', 'globex'].flatMap(workspace => {
    const rows = new Map<number, string>()
    for (const { type, data } of logs.get(`${workspace}/feed`) ?? []) {
      if (type === 'parcel.deleted') rows.delete(JSON.parse(data).id)
      else if (type.startsWith('parcel.')) rows.set(JSON.parse(data).id, data)
    }
    return [...rows].map(([id, row]) => ({ workspace, id, row }))
  })
  const seenItems = new Map<string, number>()
  for (const { type, data } of logs.get('acme/feed') ?? []) {
    const { part_number, revision = 1 } = JSON.parse(data)
    if (type === 'item.deleted') seenItems.delete(part_number)
    else if (type.startsWith('item.')) seenItems.set(part_number, revision)
  }
  t.same(
    seenParcels.sort((a, b) => a.id - b.id),
    parcels.rows,
    'the watched table follows from its events',
  )
  t.same(
    [...seenItems].sort(),
    items.rows.map(({ part_number, revision }) => [part_number, revision]),
    'the items follow from theirs',
  )
}
