/** The client for Go, as the programs of its examples, while a gateway, its database and the programs themselves fail. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createDatabase } from '../../../harness/database.js'
import { startGateway } from '../../../harness/gateway.js'
import { startProxy } from '../../../harness/postgres-proxy.js'
import { startProcess } from '../../../harness/process.js'
import { secondsFromNow, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'
import { build, type Running, start, withoutGo } from './programs.js'

const PATIENCE_MS = 60_000
/** How long credentials last that are renewed in a stream. */
const CONNECTED_S = 30
const skip = withoutGo()
const programs = skip
  ? []
  : await Promise.all(['publish', 'follow', 'exactly-once'].map(name => build(`examples/${name}`)))
const [publish = '', follow = '', exactlyOnce = ''] = programs

t.test(
  'gateway, database and programs fail: each event is stored once, arrives in order, and counts once',
  { skip },
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const own = await startProxy(t, databaseUrl)
    const proxy = await startProxy(t, databaseUrl)
    let gateway = await startProcess(t, { databaseUrl: proxy.url })
    const env = {
      SLUICE_URL: gateway.url,
      SLUICE_TOKEN: token({ role: 'editor' }),
      CURSOR_FILE: join(t.testdir(), 'cursor'),
      DATABASE_URL: `${own.url}${own.url.includes('?') ? '&' : '?'}sslmode=disable`,
    }
    const publisher = start(t, publish, env, ['order.placed'])
    const published = () => publisher.lines().length
    let n = 0
    const more = async (events: number) => {
      const enough = published() + events
      const feeding = setInterval(() => publisher.write(`{"n":${++n}}`), 5)
      await until(
        `${enough} events are published:\n${publisher.log()}`,
        () => published() >= enough,
        PATIENCE_MS,
      ).finally(() => clearInterval(feeding))
    }
    // Without a cursor it begins with the newest events.
    const followers: Running[] = [start(t, follow, env, ['order.*'])]
    await until(
      'the follower is connected',
      () => /server\.state/.test(followers[0]?.log() ?? ''),
      PATIENCE_MS,
    )
    let counter = start(t, exactlyOnce, env)
    const arrived = () =>
      followers.flatMap(({ lines }) => lines().map(line => Number(/"n":(\d+)/.exec(line)?.[1])))

    await more(50)
    const during = more(40)
    await gateway.kill()
    gateway = await startProcess(t, { databaseUrl: proxy.url, port: gateway.port })
    await during
    await more(50)
    // The programs in the middle of the traffic, between an event and its cursor.
    for (let kills = 0; kills < 3; kills++) {
      await more(20)
      await Promise.all([followers.at(-1)?.kill(), counter.kill()])
      followers.push(start(t, follow, env, ['order.*']))
      counter = start(t, exactlyOnce, env)
    }
    await proxy.unplug()
    const waiting = more(20)
    await until(
      'the gateway says that it is degraded',
      async () => (await mode(gateway.url)) !== 'normal',
      PATIENCE_MS,
    )
    await proxy.plugIn()
    await waiting
    await gateway.stop()
    gateway = await startProcess(t, { databaseUrl: proxy.url, port: gateway.port })
    await more(20)
    t.equal(await publisher.finish(), 0, publisher.log())
    await until(`${n} arrive`, () => arrived().at(-1) === n, PATIENCE_MS)
    const counted = async () =>
      (await pool.query("select data->>'n' as n from orders order by (data->>'n')::int")).rows
    await until(`${n} are counted:\n${counter.log()}`, async () => (await counted()).length >= n, PATIENCE_MS)
    for (const program of [...followers, counter]) await program.kill()

    const all = Array.from({ length: n }, (_, index) => index + 1)
    // At least once: what a killed program was handling comes again, and nothing else.
    const numbers = arrived()
    const distinct = numbers.filter((number, index) => number !== numbers[index - 1])
    t.strictSame(distinct, all)
    t.ok(numbers.length - n <= 3, `${numbers.length - n} came again`)
    t.strictSame(
      (await counted()).map(row => Number(row.n)),
      all,
    )
    t.equal((await stat(env.CURSOR_FILE)).mode & 0o777, 0o600)
    t.notMatch([publisher, ...followers, counter].map(({ log }) => log()).join(), /DATA RACE/)
  },
)

t.test('credentials are renewed in the open stream before they expire', { skip }, async t => {
  const { url } = await startGateway(t)
  const file = join(t.testdir(), 'token')
  const lifetime = (seconds: number) => token({ role: 'editor', exp: secondsFromNow(seconds) })
  // Long enough for the program to connect. It renews when a fifth is left.
  await writeFile(file, lifetime(CONNECTED_S))
  const follower = start(t, follow, { SLUICE_URL: url, TOKEN_FILE: file })
  await until('it is connected', () => follower.log().includes('server.state'), PATIENCE_MS)
  await writeFile(file, lifetime(3_600))
  await until('the stream confirms the renewal', () => follower.log().includes('auth-renewed'), PATIENCE_MS)

  t.equal(follower.log().match(/connecting/g)?.length, 1, follower.log())
})

t.test(
  'events that retention has removed: the items are loaded, and the feed goes on after them',
  { skip },
  async t => {
    const { url, app } = await startGateway(t)
    const env = {
      SLUICE_URL: url,
      SLUICE_TOKEN: token({ role: 'editor' }),
      CURSOR_FILE: join(t.testdir(), 'cursor'),
    }
    const publisher = start(t, publish, env, ['order.placed'])
    for (const n of [1, 2, 3]) publisher.write(`{"n":${n}}`)
    t.equal(await publisher.finish(), 0, publisher.log())
    await writeFile(env.CURSOR_FILE, `${publisher.lines()[0]}\n`)
    await post(t, url, { part_number: 'A01-0002', description: 'Bracket', item_type: 'part' })
    await app.database.query(`update sluice.events set at = at - interval '60 days' where "position" <= 2`)
    await app.database.query(`update sluice.streams set oldest_at = '-infinity'`)
    await app.database.query(`select sluice.retain('feed', interval '30 days', 1000)`)
    const follower = start(t, follow, env)
    await until('it has loaded the items', () => follower.lines().length > 0 || follower.ended(), PATIENCE_MS)
    await post(t, url, { part_number: 'A01-0003', description: 'Bracket', item_type: 'part' })
    await until('the next event arrives', () => follower.lines().length > 1 || follower.ended(), PATIENCE_MS)

    t.match(follower.lines(), ['item A01-0002 1', /^5\.\w{6} item\.created .*A01-0003/], follower.log())
    t.match(await readFile(env.CURSOR_FILE, 'utf8'), /^[45]\./)
  },
)

async function mode(url: string): Promise<unknown> {
  return Object(await (await fetch(`${url}/ready`)).json()).mode
}

async function post(t: Test, url: string, item: object): Promise<void> {
  const headers = { authorization: `Bearer ${token({ role: 'editor' })}`, 'content-type': 'application/json' }
  const { status } = await fetch(`${url}/api/items`, { method: 'POST', headers, body: JSON.stringify(item) })
  t.equal(status, 201)
}
