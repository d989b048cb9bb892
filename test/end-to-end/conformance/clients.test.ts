/**
 * The clients that people have, as docs/clients.md shows them, all at once through the real nginx: one gateway that
 * is stopped, killed, and cut off in the middle of an event. Each must end with every event of the log, whole, once
 * and in order.
 */
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { startProcess } from '../../harness/process.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { type Client, type Lane, lanes } from './client-lanes.js'
import { startCuttingRelay } from './cutting-relay.js'
import { type Following, type Line, startClient, startPage } from './following.js'
import { startRefusingServer } from './refusing-server.js'

/** The slowest client waits up to 30 s between two tries. */
const PATIENCE_MS = 60_000
const CUT_HERE = 'cut here '
/** An event of the largest size, and one with characters on which parsers stumble. */
const LARGE = { text: CUT_HERE.repeat(29_000) }
const AWKWARD = `{\n\t"n": 7,\n\t"text": "Ä Ω 𝄞 \u2028\u0085 data: id: \\n\\u0000"\n}`

/** These come back for ever after a 204: their readers close them at the last event of a stream. */
const BLIND_TO_204 = ['JavaScript event-source-polyfill', 'Java okhttp-eventsource']

let published = 0
const refusals = new Map<Following, number>()
/** Why a client is out of the story: one that fails must not hide what becomes of the others. */
const failures = new Map<Following, string>()

const clients: Client[] = []
// They wait for the network more than for a processor.
t.jobs = lanes.length
await Promise.all(lanes.map(build))
t.jobs = 1

await t.test('every client receives every event once, in order', { skip: withoutNginx() }, async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const relay = await startCuttingRelay(t, gateway.port)
  const nginx = await startNginx(t, { upstreams: [relay.port] })
  const followings = await startAll(t, nginx.url)
  // One that cannot come is left behind: what follows tells of it.
  const connected = async () => (await streams(gateway)) === followings.length
  await until('all clients are connected', connected, PATIENCE_MS).catch(() => undefined)
  const start = async () => {
    gateway = await startProcess(t, { databaseUrl, port: gateway.port })
    await caughtUp(pool, followings)
  }

  // Before the first event, when all that a client can hold on to is the cursor of the greeting.
  await gateway.stop()
  await publish(pool, 20)
  await refused(followings)
  await start()

  // In the middle of the traffic; the tail that was not read comes afterwards.
  await publish(pool, 60)
  await Promise.all([publish(pool, 140), gateway.kill()])
  await refused(followings)
  await publish(pool, 20)
  await start()

  // In the middle of an event.
  relay.cutBefore(CUT_HERE)
  await pool.query(`select sluice.publish('acme', 'feed', 'part.made', $1)`, [JSON.stringify(LARGE)])
  await pool.query(`select sluice.publish('acme', 'feed', 'part.moved', $1)`, [AWKWARD])
  await caughtUp(pool, followings)
  t.ok(relay.cuts() >= followings.length, 'all were cut off')

  // And in order, while more comes.
  await Promise.all([gateway.stop(), publish(pool, 100)])
  await start()
  await pool.query(`select sluice.publish('acme', 'feed', 'story.end', '{}')`)

  const log = await readLog(pool)
  for (const following of followings) {
    await t.test(following.name, async t => {
      await heard(following, 'story.end', 1)
      t.equal(failures.get(following), undefined)
      const lines = (await following.lines()).filter(line => !isRefusal(line))
      t.equal(lines.length, log.length, 'as many as there are')
      const wrong = lines.findIndex((line, index) => line !== log[index])
      t.equal(show(lines[wrong]), show(log[wrong]), `the first that is another one, ${wrong}`)
    })
  }
  t.equal(await gateway.stop(), 0)
})

await t.test('a client stops when it is refused or has every event', async t => {
  const server = await startRefusingServer(t)
  const start = (client: Client, status: number) =>
    startClient(t, client, server.urlOf(client.name, status), token())
  const followings = clients.flatMap(client =>
    [401, 204].map(status => ({ client, status, following: start(client, status) })),
  )

  for (const { client, status, following } of followings) {
    const blind = status === 204 && BLIND_TO_204.includes(client.name)
    const requests = () => server.requests(client.name, status)
    await until(`${client.name}: ${status}`, () => (blind ? requests() > 1 : following.ended()), PATIENCE_MS)
    t.equal(requests(), blind ? requests() : 1, `${client.name} asks once, for ${status}`)
  }
})

async function build(lane: Lane): Promise<void> {
  const reason = lane.missing()
  // Standard error, since the report of the tests shows no comments.
  if (reason !== undefined) console.error(`not run: ${lane.language}: ${reason}`)
  if (reason !== undefined && !lane.installed) return
  const skip = reason ?? false
  await t.test(`the ${lane.language} clients can be built`, { skip, buffered: true }, async () => {
    for (const { name, command } of await lane.build()) {
      clients.push({ name: `${lane.language} ${name}`, command })
    }
  })
}

async function startAll(t: Test, origin: string): Promise<Following[]> {
  const url = `${origin}/api/events`
  const programs = clients.map((client, n) => startClient(t, client, url, token({ sub: `client-${n}` })))
  const without = withoutBrowser()
  if (without) {
    await t.test('Chromium', { skip: without }, () => {})
    return programs
  }
  const browser = await openBrowser(t)
  const call = (name: string) => `client.${name}('/api/events', '${token()}', types, hear)`
  return [
    ...programs,
    await startPage(browser, { name: 'Chromium, token', origin, call: call('followWithToken') }),
    await startPage(browser, { name: 'Chromium, ticket', origin, call: call('followWithTicket') }),
  ]
}

/** From SQL, so that it goes on whatever happens to the gateway. */
async function publish(pool: Database, events: number): Promise<void> {
  for (let left = events; left > 0; left -= 1) {
    published += 1
    const type = published % 2 === 0 ? 'part.made' : 'part.moved'
    await pool.query(`select sluice.publish('acme', 'feed', $1, $2)`, [
      type,
      JSON.stringify({ n: published }),
    ])
    await pool.query('select pg_sleep(0.01)')
  }
}

/** Each hears from nginx that no gateway is there, once more than before. */
async function refused(followings: readonly Following[]): Promise<void> {
  for (const following of followings) {
    await heard(following, 'unavailable', (refusals.get(following) ?? 0) + 1)
  }
  for (const following of followings) {
    refusals.set(following, (await following.lines()).filter(isRefusal).length)
  }
}

/** Each has heard of the newest event, or of one that is newer. */
async function caughtUp(pool: Database, followings: readonly Following[]): Promise<void> {
  const [id = ''] = (await readLog(pool)).at(-1)?.split(' ') ?? []
  for (const following of followings) {
    await hears(following, id, lines => lines.some(line => line.startsWith(`${id} `)))
  }
}

async function heard(following: Following, type: string, times: number): Promise<void> {
  await hears(following, type, lines => lines.filter(line => isOf(type, line)).length >= times)
}

async function hears(
  following: Following,
  what: string,
  fact: (lines: readonly Line[]) => boolean,
): Promise<void> {
  if (failures.has(following)) return
  const over = async () => fact(await following.lines()) || following.ended()
  await until(`${following.name} hears ${what}`, over, PATIENCE_MS).catch(() => undefined)
  const lines = await following.lines()
  if (fact(lines)) return
  const last = lines.slice(-5).map(show)
  const state = following.ended() ? 'has ended' : 'waits'
  failures.set(following, [`${state} without ${what}, after:`, ...last, following.remarks()].join('\n'))
}

async function streams({ url }: { readonly url: string }): Promise<number> {
  return Object(await (await fetch(`${url}/ready`)).json()).sse.clients
}

/** In ASCII: the report of a failure is read line by line, and U+2028 would end one. */
function show(line: Line | undefined): string | undefined {
  return line?.slice(0, 200).replace(/[^ -~]/g, letter => `\\u${letter.charCodeAt(0).toString(16)}`)
}

function isRefusal(line: Line): boolean {
  return isOf('unavailable', line)
}

function isOf(type: string, line: Line): boolean {
  return line.slice(line.indexOf(' ') + 1).startsWith(`${type} `)
}

async function readLog(pool: Database): Promise<Line[]> {
  const { rows } = await pool.query(
    `select e."position", e.event_id, e.type, e.data::text as data from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  return rows.map(
    row => `${formatEventId(row.position, row.event_id)} ${row.type} ${row.data.replaceAll('\n', '\\n')}`,
  )
}
