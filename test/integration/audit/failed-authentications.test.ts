import t from 'tap'
import { FailedAuthentications } from '../../../src/audit/failed-authentications.js'
import { createPool, type Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { as, BEHIND_PROXY, type Gateway, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

interface Entry {
  readonly workspace: string
  readonly principal: string | null
  readonly address: string | null
  readonly request_id: string | null
  readonly details: Record<string, unknown>
}

const MINUTE_MS = 60_000

t.test('refused callers are on record, in their workspace if it is verified', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  const { id, key } = await createKey(gateway)
  const wrongKey = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
  const unknownKey = key.replace(id, id.split('').reverse().join(''))
  const expired = token({ exp: secondsFromNow(-60), sub: 'bob', jti: 't-1' })
  const forged = token(
    { exp: secondsFromNow(-60), sub: 'bob' },
    {},
    'another secret, of 32 characters or more',
  )
  await fetch(`${gateway.url}/api/items`, { headers: { 'x-request-id': 'r-1', 'x-api-key': wrongKey } })
  await fetch(`${gateway.url}/api/items/A1?search=x`, { headers: bearer(unknownKey) })
  await fetch(`${gateway.url}/api/items`, { headers: bearer(expired) })
  await fetch(`${gateway.url}/api/items`, { headers: bearer(forged) })
  await fetch(`${gateway.url}/api/events?token=${key}`)
  await fetch(`${gateway.url}/api/events?ticket=${'x'.repeat(43)}`)
  await fetch(`${gateway.url}/api/keys/${id}`, { method: 'DELETE', headers: as('admin') })
  await until('the key is refused', async () => (await status(gateway, key)) === 401)

  const found = await entries(gateway.app.database, 7)

  const acme = { workspace: 'acme', address: '127.0.0.1' }
  const nobodys = { workspace: '$system', principal: null }
  const route = 'GET /api/items'
  t.match(found, [
    {
      ...acme,
      principal: null,
      request_id: 'r-1',
      details: { code: 'key-invalid', credential: 'key', key: id, route },
    },
    { ...nobodys, details: { code: 'key-invalid', credential: 'key', route: 'GET /api/items/:part_number' } },
    {
      ...acme,
      principal: 'bob',
      details: { code: 'token-expired', credential: 'token', token_id: 't-1', route },
    },
    { ...nobodys, details: { code: 'token-invalid', credential: 'token', route } },
    { ...nobodys, details: { code: 'key-in-url', credential: null, route: 'GET /api/events' } },
    { ...nobodys, details: { code: 'ticket-invalid', credential: 'ticket', route: 'GET /api/events' } },
    { ...acme, principal: `key:${id}`, details: { code: 'key-revoked', credential: 'key', key: id } },
  ])
  t.notMatch(JSON.stringify(found), new RegExp([key, wrongKey, expired, forged].join('|')))
  t.strictSame(
    found.filter(({ details }) => 'key' in details && details.code === 'key-invalid').length,
    1,
    'a made-up id is no key',
  )
})

t.test('requests without credentials or without permission are not failed authentications', async t => {
  const gateway = await startGateway(t)
  await fetch(`${gateway.url}/api/items`)
  await fetch(`${gateway.url}/api/audit`, { headers: as('viewer') })
  await fetch(`${gateway.url}/api/nothing`, { headers: bearer('nonsense') })
  await fetch(`${gateway.url}/api/items`, { headers: bearer('nonsense') })

  const found = await entries(gateway.app.database, 1)

  t.match(found, [{ details: { code: 'token-invalid' } }])
})

t.test('a flood is recorded as a few entries and a count per address and workspace', async t => {
  const { pool } = await createDatabase(t)
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') }
  const { failed } = failures(pool, clock)
  for (let n = 0; n < 1_000; n += 1) {
    failed.note(failure('192.0.2.1'))
    if (n % 100 === 0) failed.note(failure('192.0.2.2'))
  }
  failed.note({ ...failure('192.0.2.1'), workspace: 'acme' })
  await failed.write()
  t.equal((await entries(pool)).length, 21)

  clock.now += MINUTE_MS + 1
  await failed.write()
  for (let n = 0; n < 11; n += 1) failed.note(failure('192.0.2.1'))
  await failed.close()

  const found = await entries(pool)
  const counts = found.filter(({ details }) => 'left_out' in details)
  t.match(counts, [
    { workspace: '$system', address: '192.0.2.1', details: { left_out: 990 } },
    { workspace: '$system', address: '192.0.2.1', details: { left_out: 1 } },
  ])
  t.equal(found.filter(({ workspace }) => workspace === 'acme').length, 1)
  t.equal(found.length, 21 + 1 + 10 + 1)
})

t.test('entries of a proxy that are no address count as one address, as in the rate limit', async t => {
  const { pool, url: databaseUrl } = await createDatabase(t)
  const { close, url } = await startGateway(t, { databaseUrl, env: { TRUSTED_PROXIES: '127.0.0.1' } })

  for (let port = 1_000; port < 1_030; port += 1) {
    const headers = { ...bearer('x.y.z'), 'x-forwarded-for': `198.51.100.7:${port}` }
    t.equal((await fetch(`${url}/api/items`, { headers })).status, 401)
  }
  await close()

  const found = await entries(pool)
  t.equal(found.length, 11)
  t.match(found.at(-1), { address: 'unknown', details: { left_out: 20 } })
})

t.test('any number of addresses costs bounded memory and rows, and is counted', async t => {
  const { pool } = await createDatabase(t)
  const clock = { now: Date.now() }
  const { failed } = failures(pool, clock)

  for (let n = 0; n < 30_000; n += 1) failed.note(failure(`2001:db8:${n.toString(16)}::`))
  clock.now += MINUTE_MS + 1
  await failed.close()

  const found = await entries(pool)
  const counts = found.filter(({ details }) => 'left_out' in details)
  const leftOut = counts.reduce((sum, { details }) => sum + Number(details.left_out), 0)
  t.ok(found.length <= 2_001, `${found.length} rows`)
  t.equal(found.length - counts.length + leftOut, 30_000)
})

t.test('while the database is down requests do not wait, and lost entries are logged', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const pool = createPool(proxy.url, { max: 2, name: 'audit test', onError: () => undefined })
  t.teardown(() => pool.end())
  const { failed, lines } = failures(pool, { now: Date.now() })
  await proxy.unplug()

  for (let n = 0; n < 3; n += 1) failed.note(failure('192.0.2.1'))
  await failed.write()
  await proxy.plugIn()
  failed.note(failure('192.0.2.1'))
  await failed.close()

  t.match(lines, [[{ err: Error, dropped: 3 }, 'Failed to record failed authentications; they are lost.']])
  t.equal((await entries(pool)).length, 1)
})

function failures(database: Database, clock: { now: number }) {
  const lines: [object, string][] = []
  const tell = (fields: object, message: string) => void lines.push([fields, message])
  const logger = { info: tell, warn: tell, error: tell }
  return { failed: new FailedAuthentications({ database, logger, now: () => clock.now }), lines }
}

function failure(address: string) {
  const details = { code: 'token-invalid', credential: 'token', route: 'GET /api/items' }
  return { workspace: undefined, principal: null, address, origin: address, requestId: 'r', details }
}

/** In the order in which they were written. @param atLeast is waited for. */
async function entries(database: Database, atLeast = 0): Promise<Entry[]> {
  const read = async () => {
    const { rows } = await database.query<Omit<Entry, 'details'> & { details: string }>(
      `select workspace, principal, address, request_id, details from sluice.audit
        where action = 'authentication.failed' order by at`,
    )
    return rows.map(row => ({ ...row, details: JSON.parse(row.details) }))
  }
  await until(`${atLeast} entries`, async () => (await read()).length >= atLeast)
  return read()
}

async function createKey({ url }: Gateway): Promise<{ id: string; key: string }> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'ci', role: 'viewer' }),
  })
  return (await response.json()) as { id: string; key: string }
}

async function status({ url }: Gateway, key: string): Promise<number> {
  return (await fetch(`${url}/api/items`, { headers: { 'x-api-key': key } })).status
}
