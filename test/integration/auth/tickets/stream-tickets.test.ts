import t from 'tap'
import type { Principal } from '../../../../src/auth/principal.js'
import { StreamTickets } from '../../../../src/auth/tickets/stream-tickets.js'
import { ticketSweep } from '../../../../src/auth/tickets/ticket-sweep.js'
import { createPool, type Database } from '../../../../src/database/pool.js'
import { createDatabase } from '../../../harness/database.js'

const PATH = '/api/events'
const HERE = '192.0.2.7'
const INVALID = { status: 401, code: 'ticket-invalid' }

const ada: Principal = {
  id: 'ada',
  workspace: 'acme',
  role: 'editor',
  issuedAt: 1_700_000_000_000,
  expiresAt: Date.now() + 3_600_000,
  grants: undefined,
  credential: { kind: 'token', id: 'jti-1' },
}

async function insertKey(database: Database): Promise<void> {
  await database.query(
    `insert into sluice.api_keys (id, workspace, name, role, secret_hash, created_by)
     values ('0123456789ab', 'acme', 'a key', 'admin', sha256('secret'), 'ada')`,
  )
}

t.test('a ticket opens a stream as the principal that requested it, in every respect', async t => {
  const { pool } = await createDatabase(t)
  await insertKey(pool)
  const tickets = new StreamTickets(pool)
  const odd: Principal = {
    ...ada,
    id: "o'Neill\u{1f980}",
    role: 'admin',
    issuedAt: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    credential: { kind: 'key', id: '0123456789ab' },
  }
  const far: Principal = {
    ...ada,
    expiresAt: Number.MAX_SAFE_INTEGER * 1000,
    issuedAt: 1_700_000_000_123.456,
    credential: { kind: 'token', id: undefined },
  }

  for (const principal of [ada, odd, far]) {
    const { ticket } = await tickets.issue(principal, PATH)

    t.strictSame(await tickets.take(ticket, PATH, 'browser', HERE), principal)
  }
})

t.test('a ticket is spent once, and then good for that browser only', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const { ticket } = await tickets.issue(ada, PATH)

  await tickets.take(ticket, PATH, 'first', HERE)

  await t.rejects(tickets.take(ticket, PATH, 'second', HERE), INVALID)
  t.match(await tickets.take(ticket, PATH, 'first', HERE), { id: 'ada' })
  t.match(await tickets.take(ticket, PATH, 'first', HERE), { id: 'ada' }, 'as often as it comes back')
})

// Attack: who sees a URL at the moment of its use tries to be quicker, or as quick.
t.test('50 browsers race with one ticket on two gateways, and one wins', async t => {
  const { pool, url } = await createDatabase(t)
  const other = createPool(url, { max: 10, name: 'test', onError: () => undefined })
  t.teardown(() => other.end())
  const gateways = [new StreamTickets(pool), new StreamTickets(other)]

  for (let round = 0; round < 5; round += 1) {
    const issued = await gateways[0]?.issue(ada, PATH)
    const taken = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) =>
        gateways[n % 2]?.take(issued?.ticket ?? '', PATH, `browser ${n}`, HERE),
      ),
    )

    const lost = taken.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    t.equal(lost.length, 49)
    t.ok(lost.every(({ code }) => code === 'ticket-invalid'))
  }
})

t.test('a ticket for one path opens no other, and is not spent by the attempt', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const { ticket } = await tickets.issue(ada, PATH)

  for (const path of ['/api/jobs/7/events', '/api/events/', '/API/events', '//api/events', '']) {
    await t.rejects(tickets.take(ticket, path, 'browser', HERE), INVALID, path)
  }

  t.match(await tickets.take(ticket, PATH, 'browser', HERE), { id: 'ada' })
  await t.rejects(
    tickets.take(ticket, '/api/jobs/7/events', 'browser', HERE),
    INVALID,
    'nor when it is spent',
  )
})

t.test('a ticket that was not used in time has expired', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const before = Date.now()
  const { ticket, expiresAt } = await tickets.issue(ada, PATH)
  await pool.query(`update sluice.stream_tickets set good_until = clock_timestamp()`)

  await t.rejects(tickets.take(ticket, PATH, 'browser', HERE), INVALID)

  t.ok(expiresAt.getTime() >= before + 29_000)
  t.ok(expiresAt.getTime() <= Date.now() + 31_000)
})

t.test('a browser may come back as long as the credentials are good, for a day at most', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const hour = ada.expiresAt - Date.now()
  const ends: number[] = []

  for (const expiresAt of [ada.expiresAt, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER * 1000]) {
    const { ticket } = await tickets.issue({ ...ada, expiresAt }, PATH)
    await tickets.take(ticket, PATH, 'browser', HERE)
    const { rows } = await pool.query<{ good_until: Date }>(
      'delete from sluice.stream_tickets returning good_until',
    )
    ends.push((rows[0]?.good_until.getTime() ?? 0) - Date.now())
  }

  const { ticket } = await tickets.issue({ ...ada, expiresAt: Number.POSITIVE_INFINITY }, PATH)
  await tickets.take(ticket, PATH, 'browser', HERE)
  await pool.query('update sluice.stream_tickets set good_until = clock_timestamp()')

  await t.rejects(tickets.take(ticket, PATH, 'browser', HERE), INVALID)
  for (const [index, expected] of [hour, 24 * 3_600_000, 24 * 3_600_000].entries()) {
    t.ok(Math.abs((ends[index] ?? 0) - expected) < 10_000, `${index}`)
  }
})

t.test('credentials that end take their tickets with them, spent or not', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const { ticket } = await tickets.issue(ada, PATH)
  const unspent = await tickets.issue(ada, PATH)
  await tickets.take(ticket, PATH, 'browser', HERE)
  await pool.query('update sluice.stream_tickets set expires_at = $1', [Date.now()])

  await t.rejects(tickets.take(ticket, PATH, 'browser', HERE), INVALID)
  await t.rejects(tickets.take(unspent.ticket, PATH, 'browser', HERE), INVALID)
  await t.rejects(tickets.issue({ ...ada, expiresAt: Date.now() }, PATH), { code: 'token-expired' })
})

t.test('tickets end with their key, whether it is revoked, expired or deleted', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  await insertKey(pool)
  const byKey: Principal = { ...ada, credential: { kind: 'key', id: '0123456789ab' } }
  const { ticket } = await tickets.issue(byKey, PATH)
  await tickets.take(ticket, PATH, 'browser', HERE)

  for (const change of [
    `update sluice.api_keys set revoked_at = now(), revoked_by = 'root'`,
    `update sluice.api_keys set revoked_at = null, revoked_by = null, expires_at = clock_timestamp()`,
    `update sluice.api_keys set expires_at = null, workspace = 'other'`,
    'delete from sluice.api_keys',
  ]) {
    const unspent = await tickets.issue(byKey, PATH)
    await pool.query(change)
    await t.rejects(tickets.take(ticket, PATH, 'browser', HERE), INVALID, change)
    await t.rejects(tickets.take(unspent.ticket, PATH, 'browser', HERE), INVALID, change)
  }
})

t.test('a stream that a ticket opened ends at the current expiry of its key', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  await insertKey(pool)
  const end = Date.now() + 60_000
  const credential = { kind: 'key', id: '0123456789ab' } as const
  const { ticket } = await tickets.issue({ ...ada, credential }, PATH)
  const own = await tickets.issue({ ...ada, credential, expiresAt: end - 1 }, PATH)

  t.equal((await tickets.take(ticket, PATH, 'browser', HERE)).expiresAt, ada.expiresAt)
  await pool.query('update sluice.api_keys set expires_at = to_timestamp($1::float8 / 1000)', [end])

  t.equal((await tickets.take(ticket, PATH, 'browser', HERE)).expiresAt, end)
  t.equal((await tickets.take(own.ticket, PATH, 'browser', HERE)).expiresAt, end - 1)
})

// Attack: a backup of the database, or a role that may read it, is turned into open streams.
t.test('the database has neither tickets nor cookies', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const { ticket } = await tickets.issue(ada, PATH)
  await tickets.take(ticket, PATH, 'the secret of the browser', HERE)

  const { rows } = await pool.query<{ row: string }>(
    `select t::text || encode(hash, 'escape') || encode(browser_hash, 'escape') as row from sluice.stream_tickets t`,
  )

  t.equal(rows.length, 1)
  t.notMatch(rows[0]?.row, ticket)
  t.notMatch(rows[0]?.row, Buffer.from(ticket, 'base64url').toString('hex'))
  t.notMatch(rows[0]?.row, 'the secret')
})

t.test('a malformed ticket is refused without a query', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const { ticket } = await tickets.issue(ada, PATH)
  await pool.query('drop table sluice.stream_tickets')

  for (const text of [
    '',
    'x',
    `${ticket}x`,
    ticket.slice(1),
    `${ticket}\n`,
    `${ticket.slice(1)}=`,
    "' or 1=1 --",
  ]) {
    await t.rejects(tickets.take(text, PATH, 'browser', HERE), INVALID, JSON.stringify(text))
  }
})

t.test('tickets that are over are removed, the others are not', async t => {
  const { pool } = await createDatabase(t)
  const tickets = new StreamTickets(pool)
  const over = await Promise.all([tickets.issue(ada, PATH), tickets.issue(ada, PATH)])
  await tickets.take(over[0].ticket, PATH, 'browser', HERE)
  await pool.query('update sluice.stream_tickets set good_until = clock_timestamp()')
  const good = await Promise.all([tickets.issue(ada, PATH), tickets.issue(ada, PATH)])
  await tickets.take(good[0].ticket, PATH, 'browser', HERE)

  t.equal(await ticketSweep(pool).run(new AbortController().signal), 2)

  t.equal((await pool.query('select from sluice.stream_tickets')).rowCount, 2)
  for (const { ticket } of good) t.match(await tickets.take(ticket, PATH, 'browser', HERE), { id: 'ada' })
})
