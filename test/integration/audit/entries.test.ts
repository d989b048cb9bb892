import { request as httpRequest } from 'node:http'
import t from 'tap'
import { type AuditEntry, recordAudit } from '../../../src/audit/audit.js'
import { inTransaction } from '../../../src/database/pool.js'
import { as, BEHIND_PROXY, type Gateway, startGateway } from '../../harness/gateway.js'
import { countReads } from '../../harness/reads.js'
import { bearer, secondsFromNow, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

interface Entry {
  readonly id: string
  readonly at: string
  readonly action: string
  readonly principal: string | null
  readonly address: string | null
  readonly request_id: string | null
  readonly details: Record<string, unknown>
}

const HOUR_MS = 3_600_000
const START = Date.parse('2026-01-01T00:00:00Z')

t.test('an entry has the principal, the action, the address and the request', async t => {
  const gateway = await startGateway(t, { env: BEHIND_PROXY })
  const headers = { ...as('admin'), 'content-type': 'application/json', 'x-request-id': 'r-7' }
  const body = '{"mode":"maintenance"}'
  await fetch(`${gateway.url}/api/server/state`, { method: 'PUT', headers, body })

  const { entries } = await read(gateway)

  t.match(entries, [
    {
      action: 'server-state.changed',
      principal: 'admin-of-acme',
      address: '127.0.0.1',
      request_id: 'r-7',
      id: /^[0-9a-f-]{36}$/,
      at: /^2\d\d\d-.*Z$/,
      details: { mode: 'maintenance' },
    },
  ])
})

t.test('pages show each entry once, the newest first, whatever is written meanwhile', async t => {
  const gateway = await startGateway(t)
  await record(gateway, 25)
  const before = (await read(gateway, 'limit=200')).entries

  const seen: Entry[] = []
  for (let query = 'limit=4'; query !== ''; ) {
    const { entries, next_cursor } = await read(gateway, query)
    seen.push(...entries)
    await record(gateway, 3, { at: new Date() })
    query = next_cursor === null ? '' : `limit=4&cursor=${next_cursor}`
  }

  t.equal(before.length, 25)
  t.strictSame(seen, before)
  t.strictSame(
    numbers(seen),
    numbers(seen).sort((a, b) => b - a),
  )
})

t.test('entries of the same moment are all shown', async t => {
  const gateway = await startGateway(t)
  const at = new Date(START)
  await recordAudit(gateway.app.database, ...entriesFrom(0, 9).map(entry => ({ ...entry, at })))

  const seen: Entry[] = []
  for (let query = 'limit=2'; query !== ''; ) {
    const { entries, next_cursor } = await read(gateway, query)
    seen.push(...entries)
    query = next_cursor === null ? '' : `limit=2&cursor=${next_cursor}`
  }

  t.equal(new Set(seen.map(({ id }) => id)).size, 9)
  t.equal(seen.length, 9)
})

t.test('action, principal and time filter the entries, as pages and as lines', async t => {
  const gateway = await startGateway(t)
  await record(gateway, 6)
  await recordAudit(gateway.app.database, {
    ...entriesFrom(6, 1)[0],
    action: 'key.created',
    principal: 'eve',
  } as AuditEntry)
  const queries: Record<string, number[]> = {
    'action=key.created': [6],
    'action=key.revoked': [],
    'principal=eve': [6],
    'principal=ada&action=command.started': [5, 4, 3, 2, 1, 0],
    [`since=${time(4)}`]: [6, 5, 4],
    [`before=${time(2)}`]: [1, 0],
    [`since=${time(2)}&before=${time(4)}`]: [3, 2],
    [`since=${encodeURIComponent('2026-01-01T05:30:00+02:30')}&principal=ada`]: [5, 4, 3],
  }

  for (const [query, expected] of Object.entries(queries)) {
    t.strictSame(numbers((await read(gateway, query)).entries), expected, query)
    t.strictSame(numbers(await readLines(gateway, query)), expected, `${query} as lines`)
  }
})

t.test('as lines there is all of it, in the order of the pages', async t => {
  const gateway = await startGateway(t)
  await record(gateway, 1_234)

  const lines = await readLines(gateway)
  const page = await read(gateway, 'limit=200')

  t.equal(lines.length, 1_234)
  t.equal(new Set(lines.map(({ id }) => id)).size, 1_234)
  t.strictSame(lines.slice(0, 200), page.entries)
})

t.test('an export is read from the database only as fast as the client takes it', async t => {
  const gateway = await startGateway(t)
  const details = { padding: 'x'.repeat(10_000) }
  await recordAudit(gateway.app.database, ...entriesFrom(0, 3_000).map(entry => ({ ...entry, details })))
  const reads = countReads(
    gateway.app.database,
    query => JSON.stringify(query)?.includes('sluice-select-audit') ?? false,
  )

  const headers = { ...as('admin'), accept: 'application/x-ndjson' }
  const sent = httpRequest(`${gateway.url}/api/audit`, { headers, agent: false }).end()
  t.teardown(() => sent.destroy())
  const response = await new Promise<import('node:http').IncomingMessage>(resolve =>
    sent.once('response', resolve),
  )
  await reads.stopped()

  // Six pages of 5 MB are there. Sockets here hold a few MB; the rest waits in the database.
  t.ok(reads.count > 0 && reads.count < 6, `${reads.count} pages were read for a client that took none`)
  let lines = 0
  response.setEncoding('utf8').on('data', (text: string) => {
    lines += text.split('\n').length - 1
  })
  await new Promise(resolve => response.once('end', resolve))
  t.equal(lines, 3_000)
})

t.test('an export that cannot go on breaks, and does not look whole', async t => {
  const gateway = await startGateway(t)
  const details = { padding: 'x'.repeat(10_000) }
  await recordAudit(gateway.app.database, ...entriesFrom(0, 3_000).map(entry => ({ ...entry, details })))
  const headers = { ...as('admin'), accept: 'application/x-ndjson' }

  const response = await fetch(`${gateway.url}/api/audit`, { headers })
  const reader = response.body?.getReader()
  await reader?.read()
  const closed = gateway.close()

  await t.rejects(async () => {
    while (!(await reader?.read())?.done);
  })
  await closed
})

// Attack: a thief reads an export slowly, to go on long after the credentials were revoked.
t.test('an export ends when the credentials are revoked', async t => {
  const gateway = await startGateway(t)
  const { database, guard } = gateway.app
  const details = { padding: 'x'.repeat(10_000) }
  await recordAudit(database, ...entriesFrom(0, 3_000).map(entry => ({ ...entry, details })))
  const headers = { ...as('admin'), accept: 'application/x-ndjson' }
  const response = await fetch(`${gateway.url}/api/audit`, { headers })
  const reader = response.body?.getReader()
  await reader?.read()

  await database.query(`insert into sluice.revocations (workspace, by) values ('acme', 'root')`)
  await guard.reload()

  await t.rejects(async () => {
    while (!(await reader?.read())?.done);
  })
})

// Attack: the same with a token that is good for a moment more.
t.test('an export ends with its token', async t => {
  const gateway = await startGateway(t)
  const details = { padding: 'x'.repeat(10_000) }
  await recordAudit(gateway.app.database, ...entriesFrom(0, 3_000).map(entry => ({ ...entry, details })))
  // A machine that stands still for some seconds leaves time for the first bytes.
  const exp = secondsFromNow(8)
  const headers = { ...bearer(token({ role: 'admin', exp })), accept: 'application/x-ndjson' }
  const response = await fetch(`${gateway.url}/api/audit`, { headers })
  const reader = response.body?.getReader()
  await reader?.read()

  await until('its slot is free', () => gateway.app.streamSlots.holders.principal === 0)

  t.ok(Date.now() >= exp * 1_000 - 1, 'not before')
  await t.rejects(async () => {
    while (!(await reader?.read())?.done);
  })
})

t.test('an export counts as a stream until it has been read', async t => {
  const gateway = await startGateway(t, { env: { MAX_STREAMS_PER_PRINCIPAL: '1' } })
  const details = { padding: 'x'.repeat(10_000) }
  await recordAudit(gateway.app.database, ...entriesFrom(0, 3_000).map(entry => ({ ...entry, details })))
  const headers = { ...as('admin'), accept: 'application/x-ndjson' }
  const ask = (method = 'GET') => fetch(`${gateway.url}/api/audit`, { method, headers })

  const first = await ask()
  const second = await ask()
  const head = await ask('HEAD')
  await first.body?.cancel()
  await until('the slot is free', () => gateway.app.streamSlots.holders.principal === 0)
  const third = await ask()

  t.equal(first.status, 200)
  t.match([second.status, await second.json()], [429, { code: 'too-many-streams' }])
  t.equal(head.status, 200)
  t.equal(third.status, 200)
  await third.body?.cancel()
})

t.test('only admins of a workspace can read its entries, and nobody those of the system', async t => {
  const gateway = await startGateway(t)
  await record(gateway, 3)
  await record(gateway, 2, { workspace: '$system' })
  const acme = await read(gateway, 'limit=1')

  t.strictSame((await read(gateway, '', 'globex')).entries, [])
  t.strictSame(await readLines(gateway, '', 'globex'), [])
  t.strictSame((await read(gateway, `cursor=${acme.next_cursor}`, 'globex')).entries, [])
  t.equal((await readLines(gateway)).length, 3)
  for (const role of ['viewer', 'editor', 'runner'] as const) {
    const response = await fetch(`${gateway.url}/api/audit`, { headers: as(role) })
    t.equal(response.status, 403, role)
  }
})

t.test('an invalid query is refused', async t => {
  const gateway = await startGateway(t)

  const questions = [
    'action=nothing',
    'since=yesterday',
    'since=2026-12-31T23:59:60Z',
    'limit=0',
    'limit=201',
    'workspace=globex',
    'principal=%00',
    'principal=%0a',
  ]
  for (const query of questions) {
    t.equal((await get(gateway, query)).status, 400, query)
  }
  for (const cursor of ['', 'x', Buffer.from('jobs:1.2').toString('base64url')]) {
    t.match(await (await get(gateway, `cursor=${cursor}`)).json(), { code: 'invalid-cursor' }, cursor)
  }
  t.equal((await get(gateway, 'since=0000-01-01T00:00:00Z&before=9999-12-31T23:59:59Z')).status, 200)
})

t.test('HEAD reads nothing, in either form', async t => {
  const gateway = await startGateway(t)
  await record(gateway, 1)

  for (const accept of ['application/json', 'application/x-ndjson']) {
    const headers = { ...as('admin'), accept }
    const response = await fetch(`${gateway.url}/api/audit`, { method: 'HEAD', headers })
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), accept)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(await response.text(), '')
  }
})

t.test('an entry cannot be changed, and only its age removes it', async t => {
  const { app } = await startGateway(t)
  await record({ app }, 10)
  const fails = (sql: string) =>
    t.rejects(app.database.query(sql), { code: '55000', message: /append-only/ }, sql)

  await fails(`update sluice.audit set principal = 'nobody'`)
  await fails(`update sluice.audit set principal = 'nobody' where false`)
  await fails('delete from sluice.audit')
  await fails('truncate sluice.audit')
  const { rows } = await app.database.query(`select sluice.forget_audit('${time(4)}') as removed`)
  const left = await app.database.query('select from sluice.audit')

  t.strictSame(rows, [{ removed: 4 }])
  t.equal(left.rowCount, 6)
  await fails('delete from sluice.audit')
})

t.test('an entry is there with its act, or not at all', async t => {
  const gateway = await startGateway(t)

  await t.rejects(
    inTransaction(gateway.app.database, async client => {
      await recordAudit(client, ...entriesFrom(0, 2))
      throw new Error('the act failed')
    }),
    /the act failed/,
  )

  t.strictSame((await read(gateway)).entries, [])
})

/** Entries an hour apart; their number is in the details. */
function entriesFrom(first: number, count: number, rest: Partial<AuditEntry> = {}): AuditEntry[] {
  return Array.from({ length: count }, (_, n) => ({
    workspace: 'acme',
    principal: 'ada',
    address: '192.0.2.1',
    requestId: `r-${first + n}`,
    action: 'command.started',
    details: { n: first + n },
    at: new Date(START + (first + n) * HOUR_MS),
    ...rest,
  }))
}

async function record({ app }: Pick<Gateway, 'app'>, count: number, rest: Partial<AuditEntry> = {}) {
  await recordAudit(app.database, ...entriesFrom(0, count, rest))
}

function time(n: number): string {
  return new Date(START + n * HOUR_MS).toISOString()
}

function numbers(entries: readonly Entry[]): number[] {
  return entries.map(({ details }) => Number(details.n))
}

function get({ url }: Gateway, query: string, workspace = 'acme'): Promise<Response> {
  return fetch(`${url}/api/audit?${query}`, { headers: as('admin', workspace) })
}

async function read(
  gateway: Gateway,
  query = '',
  workspace?: string,
): Promise<{ entries: Entry[]; next_cursor: string | null }> {
  const response = await get(gateway, query, workspace)
  if (response.status !== 200) throw new Error(await response.text())
  return (await response.json()) as { entries: Entry[]; next_cursor: string | null }
}

async function readLines(gateway: Gateway, query = '', workspace = 'acme'): Promise<Entry[]> {
  const headers = { ...as('admin', workspace), accept: 'application/x-ndjson' }
  const response = await fetch(`${gateway.url}/api/audit?${query}`, { headers })
  const text = await response.text()
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line))
}
