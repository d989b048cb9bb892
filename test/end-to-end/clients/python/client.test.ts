/**
 * The Python client as its users get it: the contract, its own tests, its types, and feeds that miss nothing while the gateway, the
 * database, the login and the program itself go away.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Database } from '../../../../src/database/pool.js'
import { formatEventId } from '../../../../src/log/event-id.js'
import { holdToContract } from '../../../harness/contract.js'
import { createDatabase } from '../../../harness/database.js'
import { startGateway } from '../../../harness/gateway.js'
import { startProxy } from '../../../harness/postgres-proxy.js'
import { startProcess } from '../../../harness/process.js'
import { temporaryFolder } from '../../../harness/server.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'
import { startLogin } from '../login.js'
import { pythonEnvironment, sources, withoutPython } from './environment.js'
import { Follower, type Sight } from './follower.js'

if (withoutPython) {
  t.test('the Python client', { skip: withoutPython }, () => {})
} else {
  const environment = await pythonEnvironment('sluice-client')

  for (const mode of ['threads', 'tasks']) {
    t.test(`it keeps the contract with ${mode}`, async t => {
      await holdToContract(t, [environment.python, '-B', join(sources, 'conformance/adapter.py'), mode])
    })
  }

  t.test('its types are strict, and its own tests pass', async t => {
    const [types, tests] = await Promise.all([
      environment.run(['-m', 'mypy']),
      environment.run(['-m', 'pytest', '--quiet']),
    ])

    t.match(types, /Success/)
    t.match(tests, /\d+ passed/)
  })

  t.test('its requests and short streams work, and its events are those of the catalogue', async t => {
    const { url } = await startGateway(t)
    const tokens = { SLUICE_EDITOR: token({ role: 'editor' }), SLUICE_VIEWER: token() }

    t.match(
      await environment.run(['-m', 'pytest', '--quiet', 'live'], { SLUICE_URL: url, ...tokens }),
      /\d+ passed/,
    )
    t.equal(await environment.run(['tools/generate_catalogue.py', '--check', url]), '')
  })

  t.test('feeds keep every event once while everything around them goes away', async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const network = await startProxy(t, databaseUrl)
    let gateway = await startProcess(t, { databaseUrl: network.url })
    const restart = async () => {
      gateway = await startProcess(t, { databaseUrl: network.url, port: gateway.port })
    }
    const login = await startLogin(t)
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const followers = (['threads', 'tasks'] as const).map(
      mode => new Follower(t, environment, mode, [gateway.url, login.url, join(folder, `${mode}.db`)]),
    )
    const all = async (what: string, fact: (sights: readonly Sight[]) => boolean) => {
      for (const follower of followers) await follower.seesNow(what, fact)
    }
    const caughtUp = async () => {
      const last = (await log(pool)).at(-1)
      // Perhaps in the life before: a follower that was killed after its last event gets nothing more.
      const hasLast = (sights: readonly Sight[]) =>
        sights.some(({ saw, id }) => saw === 'event' && id === last)
      for (const follower of followers) await follower.sees(`the event ${last}`, hasLast)
    }

    // From the beginning, and live.
    await publish(pool, 50)
    for (const follower of followers) follower.start()
    await caughtUp()

    // The gateway is killed in the middle of the traffic.
    await Promise.all([publish(pool, 100), gateway.kill()])
    await restart()
    await caughtUp()

    // The database goes away under the gateway.
    await network.unplug()
    await all('a degraded gateway', sights =>
      sights.some(({ saw, mode }) => saw === 'server.state' && mode === 'degraded'),
    )
    await publish(pool, 30)
    await network.plugIn()
    await caughtUp()

    // The programs are killed in the middle of their work.
    for (let times = 0; times < 3; times += 1) {
      const publishing = publish(pool, 100)
      const before = followers.map(follower => follower.count('event'))
      for (const [n, follower] of followers.entries()) {
        await follower.sees('more events', () => follower.count('event') > (before[n] ?? 0) + 10)
        await follower.kill()
        follower.start()
      }
      await publishing
    }
    await caughtUp()

    // Tokens last a few seconds, and the stream gets the next one before its end.
    await all('a renewal', sights => sights.some(({ saw }) => saw === 'auth-renewed'))
    // The login goes away until the token has expired, and comes back.
    login.isAway = true
    await all('the end of the token', sights => sights.some(({ saw }) => saw === 'auth-expired'))
    await publish(pool, 20)
    login.isAway = false
    await caughtUp()

    const expected = await log(pool)
    for (const follower of followers) {
      const kept = await follower.kept()
      t.strictSame(kept, expected, `${follower.mode} has kept each event once, in order`)
    }

    // While they are off, the log loses what they have not seen.
    for (const follower of followers) await follower.kill()
    await gateway.stop()
    await publish(pool, 20)
    await pool.query(`select sluice.configure_stream('acme', 'feed', '{"max_events":5}')`)
    await restart()
    const admin = bearer(token({ role: 'admin' }))
    const removed = async () => {
      const response = await fetch(`${gateway.url}/api/streams/feed`, { headers: admin })
      return Object(await response.json()).events === 5
    }
    await until('retention has removed events', removed, 60_000)
    for (const follower of followers) follower.start()
    await all('the reset', sights =>
      sights.some(({ saw, reason }) => saw === 'reset' && reason === 'retention'),
    )
    await publish(pool, 3)
    await caughtUp()

    const newest = (await log(pool)).slice(-3)
    for (const follower of followers) {
      t.strictSame(
        await follower.kept(),
        [...expected, ...newest],
        `${follower.mode} goes on after the reset`,
      )
      t.strictSame(
        follower.sights.filter(({ saw }) => saw === 'reloaded').map(({ reason }) => reason),
        ['retention'],
        `${follower.mode} reloads once`,
      )
    }
  })
}

/** From SQL, so that it goes on whatever happens to the gateway. */
async function publish(pool: Database, events: number): Promise<void> {
  for (let left = events; left > 0; left -= 1) {
    await pool.query(`select sluice.publish('acme', 'feed', 'part.made', $1)`, [JSON.stringify({ left })])
  }
}

/** The ids of the stored events, in order. */
async function log(pool: Database): Promise<string[]> {
  const { rows } = await pool.query(
    `select e."position", e.event_id from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
  )
  return rows.map(row => formatEventId(row.position, row.event_id))
}
