import { createRequire } from 'node:module'
import t from 'tap'
import { BrokerBus } from '../../../src/bus/broker-bus.js'
import { MemoryBus } from '../../../src/bus/memory-bus.js'
import { busSettings, openBus } from '../../../src/bus/open-bus.js'
import { PostgresBus } from '../../../src/bus/postgres-bus.js'
import { readConfig } from '../../../src/config/config.js'
import { createPool } from '../../../src/database/pool.js'

const DATABASE = { DATABASE_URL: 'postgres://localhost/app', JWT_SECRET: 'x'.repeat(32) }
const NATS = { BUS: 'nats', NATS_URL: 'nats://localhost' }
const REDIS = { BUS: 'redis', REDIS_URL: 'redis://localhost' }

t.test('each bus opens, and loads no client of a broker before it starts', async t => {
  const database = createPool(DATABASE.DATABASE_URL, { max: 1, name: 'test', onError() {} })
  t.teardown(() => database.end())
  const logger = { info() {}, warn() {}, error() {} }
  const busOf = (env: Readonly<Record<string, string>>) => {
    const bus = openBus(busSettings(readConfig({ ...DATABASE, ...env }), []), { database, logger })
    t.teardown(() => bus.close())
    return bus
  }

  t.ok(busOf({}) instanceof PostgresBus)
  t.ok(busOf({ BUS: 'memory' }) instanceof MemoryBus)
  t.ok(busOf({ BUS_NOTIFY: 'off' }) instanceof MemoryBus)
  for (const env of [NATS, REDIS]) {
    const bus = busOf(env)
    t.ok(bus instanceof BrokerBus)
    t.equal(bus.kind, env.BUS)
    t.equal(bus.isRelay, false)
    t.equal(
      busOf({ ...env, BUS_NOTIFY: 'off' }).isRelay,
      undefined,
      'BUS_NOTIFY=off: it never listens to Postgres',
    )
  }
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  t.strictSame(
    loaded.filter(file => /node_modules.(@nats-io|iovalkey)\b/.test(file)),
    [],
  )
})

t.test('settings that contradict each other are refused, and secrets are not shown', async t => {
  const wrong: readonly (readonly [env: Readonly<Record<string, string>>, fault: RegExp])[] = [
    [{ BUS: 'nats' }, /^BUS=nats needs NATS_URL/],
    [{ BUS: 'redis', NATS_URL: NATS.NATS_URL }, /^BUS=redis needs REDIS_URL/],
    [{ NATS_URL: 'http://secret@localhost' }, /^NATS_URL is not of the right form/],
    [{ NATS_URL: 'nats://one,redis://secret' }, /^NATS_URL is not of the right form/],
    [{ NATS_URL: 'nats://one, tls://user:secret%zz@two' }, /^NATS_URL is not a URL/],
    [{ REDIS_URL: 'redis://user:secret@host:99999' }, /^REDIS_URL is not a URL/],
    [{ ...NATS, BUS_CERT_FILE: '/cert.pem' }, /^BUS_CERT_FILE and BUS_KEY_FILE belong together/],
    [{ ...NATS, BUS_PREFIX: 'all.>' }, /^BUS_PREFIX is "all\.>"/],
    [{ ...NATS, BUS_PREFIX: 'a b' }, /^BUS_PREFIX is "a b"/],
  ]

  const messages = wrong.map(([env]) => {
    try {
      readConfig({ ...DATABASE, ...env })
      return 'accepted'
    } catch (error) {
      return (error as Error).message
    }
  })

  t.strictSame(
    wrong.flatMap(([env, fault], index) =>
      fault.test(messages[index] ?? '') ? [] : [[env, messages[index]]],
    ),
    [],
  )
  t.notMatch(messages.join('\n'), 'secret@')
  t.ok(readConfig({ ...DATABASE, ...NATS, NATS_URL: 'tls://u:p%40@a:4222, nats://b' }))
})
