import t, { type Test } from 'tap'
import { createKey, listKeys, revokeKey } from '../../../../src/auth/api-keys/api-key-administration.js'
import { ApiKeys } from '../../../../src/auth/api-keys/api-keys.js'
import { databaseFault } from '../../../../src/database/database-fault.js'
import { createPool } from '../../../../src/database/pool.js'
import { movableClock } from '../../../harness/clock.js'
import { createDatabase } from '../../../harness/database.js'
import { silent } from '../../../harness/hub.js'
import { startProxy } from '../../../harness/postgres-proxy.js'

const ORIGIN = { workspace: 'acme', principal: 'ada', address: null, requestId: null }
const ADDRESS = '192.0.2.1'
/** Of a clock that never goes backwards. */
const START = 1_000

async function setUp(test: Test) {
  const { pool } = await createDatabase(test)
  const clock = { now: START }
  const keys = new ApiKeys({ database: pool, logger: silent, now: () => clock.now })
  test.teardown(() => keys.close())
  return { pool, keys, clock }
}

t.test('a key is a principal of its own, in the workspace and the role that it was made for', async t => {
  const { pool, keys } = await setUp(t)
  const expires_at = new Date(Date.now() + 60_000).toISOString()
  const forever = await createKey(pool, ORIGIN, { name: 'import', role: 'editor' })
  const minute = await createKey(pool, ORIGIN, { name: 'once', role: 'runner', expires_at })

  t.strictSame(await keys.principalOf(forever.key, ADDRESS), {
    id: `key:${forever.id}`,
    workspace: 'acme',
    role: 'editor',
    grants: undefined,
    expiresAt: Number.POSITIVE_INFINITY,
    issuedAt: Date.parse(forever.created_at),
    credential: { kind: 'key', id: forever.id },
  })
  t.match(await keys.principalOf(minute.key, ADDRESS), { role: 'runner', expiresAt: Date.parse(expires_at) })
})

t.test('whatever is no key, or not the whole of one, is refused alike', async t => {
  const { pool, keys } = await setUp(t)
  const { key, id } = await createKey(pool, ORIGIN, { name: 'import', role: 'editor' })
  const other = await createKey(pool, ORIGIN, { name: 'other', role: 'admin' })
  const secretOf = (text: string) => text.split('_')[2] ?? ''
  const wrong = [
    '',
    'slk_',
    key.slice(0, -1),
    `${key}x`,
    key.toUpperCase(),
    id,
    `slk_${id}_${'x'.repeat(43)}`,
    `slk_${id}_${secretOf(other.key)}`,
    `slk_zzzzzzzzzzzz_${secretOf(key)}`,
  ]

  const told = new Set<string>()
  for (const text of wrong) {
    const error = await keys.principalOf(text, ADDRESS).catch((refusal: unknown) => refusal)
    t.match(error, { status: 401, code: 'key-invalid' }, text)
    told.add(String(error))
  }

  t.equal(told.size, 1)
  t.ok(await keys.principalOf(key, ADDRESS))
})

t.test('only a caller with the whole key gets the error that it has expired or was revoked', async t => {
  const { pool, keys } = await setUp(t)
  const clock = movableClock(t)
  const expires_at = new Date(Date.now() + 60_000).toISOString()
  const ending = await createKey(pool, ORIGIN, { name: 'once', role: 'viewer', expires_at })
  const revoked = await createKey(pool, ORIGIN, { name: 'lost', role: 'viewer' })
  await revokeKey(pool, ORIGIN, revoked.id)
  t.ok(await keys.principalOf(ending.key, ADDRESS))

  clock.forward(60_000)

  await t.rejects(keys.principalOf(ending.key, ADDRESS), { status: 401, code: 'key-expired' })
  await t.rejects(keys.principalOf(revoked.key, ADDRESS), { status: 401, code: 'key-revoked' })
  for (const { key } of [ending, revoked]) {
    await t.rejects(keys.principalOf(`${key.slice(0, 17)}${'x'.repeat(43)}`, ADDRESS), {
      code: 'key-invalid',
    })
  }
  t.same(
    (await Promise.all([ending.id, revoked.id, 'zzzzzzzzzzzz'].map(id => keys.stateOf(id)))).map(
      ({ expiresAt }) => expiresAt,
    ),
    [Date.parse(expires_at), Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  )
})

t.test('a key with address rules is accepted from those addresses, in any notation', async t => {
  const { pool, keys } = await setUp(t)
  const rules = ['198.51.100.7', '203.0.113.0/24', '::ffff:192.0.2.0/120', '2001:db8::/32']
  const made = await createKey(pool, ORIGIN, { name: 'office', role: 'viewer', allowed_ips: rules })

  for (const address of [
    '198.51.100.7',
    '::ffff:198.51.100.7',
    '::ffff:c633:6407',
    '203.0.113.255',
    '192.0.2.9',
    '2001:db8::1',
  ]) {
    t.ok(await keys.principalOf(made.key, address), address)
  }
  for (const address of [
    '198.51.100.8',
    '::ffff:198.51.100.8',
    '203.0.114.0',
    '2001:db9::1',
    '::1',
    '',
    'unknown',
    undefined,
  ]) {
    const refused = { status: 403, code: 'address-not-allowed', detail: new RegExp(address || 'address') }
    await t.rejects(keys.principalOf(made.key, address), refused, String(address))
  }
  t.same(made.allowed_ips, ['198.51.100.7/32', '203.0.113.0/24', '192.0.2.0/24', '2001:db8::/32'])
})

t.test('while the database is down a recently used key works, and no key is reported as wrong', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const away = createPool(proxy.url, { max: 2, name: 'keys', queryTimeoutMs: 2_000, onError: () => {} })
  t.teardown(() => away.end())
  const clock = { now: START }
  const keys = new ApiKeys({ database: away, logger: silent, now: () => clock.now })
  const used = await createKey(pool, ORIGIN, { name: 'used', role: 'viewer' })
  const unused = await createKey(pool, ORIGIN, { name: 'unused', role: 'viewer' })
  await keys.principalOf(used.key, ADDRESS)

  await proxy.unplug()

  clock.now = START + 4_999
  t.ok(await keys.principalOf(used.key, ADDRESS))
  t.ok(databaseFault(await keys.principalOf(unused.key, ADDRESS).catch(error => error)))
  clock.now = START + 5_001
  t.ok(databaseFault(await keys.principalOf(used.key, ADDRESS).catch(error => error)))
})

t.test('the last use is written down apart from the request, at most once a minute', async t => {
  const { pool, keys } = await setUp(t)
  const other = new ApiKeys({ database: pool, logger: silent })
  const { key } = await createKey(pool, ORIGIN, { name: 'import', role: 'viewer' })
  const lastUse = async () => (await listKeys(pool, 'acme', { limit: 1 })).keys[0]?.last_used_at ?? null
  const clock = movableClock(t)

  await keys.principalOf(key, ADDRESS)
  t.equal(await lastUse(), null, 'the request does not wait for it')
  await keys.close()
  const first = await lastUse()
  t.ok(first)
  clock.forward(50_000)
  await other.principalOf(key, ADDRESS)
  await other.close()
  t.equal(await lastUse(), first, 'of all processes together')
  clock.forward(20_000)
  await other.principalOf(key, ADDRESS)
  await other.close()

  t.ok(Date.parse((await lastUse()) ?? '') - Date.parse(first ?? '') > 60_000)
})
