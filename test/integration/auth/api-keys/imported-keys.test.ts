/** Keys of a former system, which were imported by their hash: found by it, and in all else like our own. */
import t, { type Test } from 'tap'
import {
  createKey,
  importKey,
  type KeyToImport,
  listKeys,
  revokeKey,
  rotateKey,
} from '../../../../src/auth/api-keys/api-key-administration.js'
import { insertKey } from '../../../../src/auth/api-keys/api-key-rows.js'
import { hashSecret } from '../../../../src/auth/api-keys/api-key-secret.js'
import { ApiKeys } from '../../../../src/auth/api-keys/api-keys.js'
import type { Database } from '../../../../src/database/pool.js'
import { inWorkspace } from '../../../../src/database/workspace.js'
import { movableClock } from '../../../harness/clock.js'
import { createDatabase } from '../../../harness/database.js'
import { silent } from '../../../harness/hub.js'
import { until } from '../../../harness/until.js'

const ORIGIN = { workspace: 'acme', principal: 'ada', address: null, requestId: null }
const ADDRESS = '192.0.2.1'
const TEXT = 'sk_live_abcdefghijklmnopqrstuv'

async function setUp(test: Test) {
  const { pool } = await createDatabase(test)
  const keys = new ApiKeys({ database: pool, logger: silent })
  test.teardown(() => keys.close())
  return { pool, keys }
}

function imported(text: string, others: Partial<KeyToImport> = {}): KeyToImport {
  const secretHash = hashSecret(text)
  return {
    prefix: 'sk_live_',
    secretHash,
    name: 'CI',
    role: 'editor',
    allowedIps: null,
    expiresAt: null,
    ...others,
  }
}

t.test('an imported key is a principal of its own, by its whole text alone', async t => {
  const { pool, keys } = await setUp(t)
  const { isNew, key } = await importKey(pool, ORIGIN, imported(TEXT))
  const near = [
    TEXT.slice(0, -1),
    `${TEXT}v`,
    TEXT.toUpperCase(),
    ` ${TEXT}`,
    'sk_live_',
    hashSecret(TEXT).toString('hex'),
    hashSecret(TEXT).toString('base64url'),
    key.id,
    `slk_${key.id}_${TEXT}`,
    `slk_${key.id}_${'x'.repeat(43)}`,
  ]

  t.ok(isNew)
  t.match(await keys.principalOf(TEXT, ADDRESS), {
    id: `key:${key.id}`,
    workspace: 'acme',
    role: 'editor',
    expiresAt: Number.POSITIVE_INFINITY,
    credential: { kind: 'key', id: key.id },
  })
  t.match(await keys.named(TEXT), { id: key.id, workspace: 'acme' })
  for (const text of near)
    await t.rejects(keys.principalOf(text, ADDRESS), { status: 401, code: 'key-invalid' }, text)
})

// Attack: a key with the form of our own, whose "secret" is a text that was imported.
t.test('an imported key cannot be used in the form of our own keys', async t => {
  const { pool, keys } = await setUp(t)
  const text = `sk_${'a'.repeat(40)}`.replaceAll('_', 'x')
  const { key } = await importKey(pool, ORIGIN, imported(text, { prefix: 'skx' }))

  t.equal(text.length, 43)
  t.ok(await keys.principalOf(text, ADDRESS))
  await t.rejects(keys.principalOf(`slk_${key.id}_${text}`, ADDRESS), { code: 'key-invalid' })
})

t.test('a key whose text does not begin with its prefix, or has too little after it, is refused', async t => {
  const { pool, keys } = await setUp(t)
  const short = `sk_live_${'a'.repeat(15)}`
  const enough = `sk_live_${'a'.repeat(16)}`
  await importKey(pool, ORIGIN, imported(TEXT, { prefix: 'pk_live_' }))
  await importKey(pool, ORIGIN, imported(short))
  await importKey(pool, ORIGIN, imported(enough))

  await t.rejects(keys.principalOf(TEXT, ADDRESS), { code: 'key-invalid' })
  await t.rejects(keys.principalOf(short, ADDRESS), { code: 'key-invalid' })
  t.ok(await keys.principalOf(enough, ADDRESS))
})

t.test(
  'a second import of a key changes nothing, also of a revoked one and in another workspace',
  async t => {
    const { pool, keys } = await setUp(t)
    const first = await importKey(pool, ORIGIN, imported(TEXT))
    const again = await importKey(pool, ORIGIN, imported(TEXT, { role: 'admin', name: 'other' }))
    await revokeKey(pool, ORIGIN, first.key.id)
    const revoked = await importKey(pool, ORIGIN, imported(TEXT))
    const elsewhere = await importKey(pool, { ...ORIGIN, workspace: 'globex' }, imported(TEXT))

    t.match(again, { isNew: false, key: { id: first.key.id, role: 'editor' } })
    t.match(revoked, { isNew: false, key: { id: first.key.id, revoked_at: Date } })
    t.match(elsewhere, { isNew: false, key: { workspace: 'acme' } })
    await t.rejects(keys.principalOf(TEXT, ADDRESS), { code: 'key-revoked' })
    t.strictSame(await namesIn(pool, 'acme'), ['CI'])
    t.strictSame(await namesIn(pool, 'globex'), [])
  },
)

t.test(
  'of two imports of a key at the same time, the later one finds the key of the earlier one',
  async t => {
    const { pool } = await setUp(t)
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`

    const later = await inWorkspace(pool, 'acme', async client => {
      await insertKey(client, 'acme', { ...imported(TEXT), id: '0123456789ab', createdBy: 'ada' })
      const importing = importKey(pool, ORIGIN, imported(TEXT))
      await until('it waits for the earlier one', async () => (await pool.query(waiting)).rowCount === 1)
      return { importing }
    })

    t.match(await later.importing, { isNew: false, key: { id: '0123456789ab' } })
  },
)

t.test('expiry, addresses, revocation and rotation hold for an imported key', async t => {
  const { pool, keys } = await setUp(t)
  const clock = movableClock(t)
  const expiresAt = new Date(Date.now() + 60_000)
  const { key } = await importKey(pool, ORIGIN, imported(TEXT, { expiresAt, allowedIps: ['192.0.2.0/24'] }))
  const other = await importKey(pool, ORIGIN, imported(`${TEXT}2`))

  t.match(await keys.principalOf(TEXT, ADDRESS), { expiresAt: expiresAt.getTime() })
  await t.rejects(keys.principalOf(TEXT, '198.51.100.1'), { status: 403, code: 'address-not-allowed' })
  t.match(await keys.stateOf(key.id), { expiresAt: expiresAt.getTime() })
  clock.forward(60_000)
  await t.rejects(keys.principalOf(TEXT, ADDRESS), { code: 'key-expired' })
  const next = await rotateKey(pool, ORIGIN, other.key.id, { overlap: 0 })
  keys.forget(other.key.id)
  await t.rejects(keys.principalOf(`${TEXT}2`, ADDRESS), { code: 'key-revoked' })
  t.match(await keys.principalOf(next.key, ADDRESS), { role: 'editor' })
  const { keys: listed } = await listKeys(pool, 'acme', { limit: 9 })
  t.strictSame(listed.map(({ prefix }) => prefix).sort(), ['sk_live_', 'sk_live_', null].sort())
})

t.test('a key that was used before its import works as soon as the process learns of the import', async t => {
  const { pool, keys } = await setUp(t)
  await t.rejects(keys.principalOf(TEXT, ADDRESS), { code: 'key-invalid' })

  const { key } = await importKey(pool, ORIGIN, imported(TEXT))
  keys.forget(key.id)

  t.ok(await keys.principalOf(TEXT, ADDRESS))
})

t.test('texts that no import can have made cost no query', async t => {
  const { pool, keys } = await setUp(t)
  const { key } = await createKey(pool, ORIGIN, { name: 'own', role: 'viewer' })
  let lookUps = 0
  const tried = async (text: string) => {
    const trying = keys.principalOf(text, ADDRESS, () => (lookUps += 1))
    await t.rejects(trying, { code: 'key-invalid' }, text)
  }

  for (const text of [
    '',
    'short',
    'x'.repeat(257),
    'with a space in the middle',
    'ümlaut-in-the-middle-of',
    'slk_x',
    `${key}x`,
  ]) {
    await tried(text)
  }
  t.equal(lookUps, 0)
  for (let n = 0; n < 3; n += 1) await tried('x'.repeat(40))
  t.equal(lookUps, 1, 'an unknown text is remembered')
})

async function namesIn(pool: Database, workspace: string): Promise<string[]> {
  return (await listKeys(pool, workspace, { limit: 9 })).keys.map(({ name }) => name)
}
