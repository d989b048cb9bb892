/** The export of a workspace: all of it and nothing of another, one snapshot, at the pace of its reader, and no secrets. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { exportWorkspace } from '../../../src/workspaces/workspace-export.js'
import { workspaceExportStream } from '../../../src/workspaces/workspace-export-stream.js'
import { createDatabase } from '../../harness/database.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { countReads } from '../../harness/reads.js'
import { holdTurns } from '../../harness/turns.js'
import { until } from '../../harness/until.js'
import { seed } from '../database/workspace-rows.js'

const KINDS = [
  'workspace',
  'item',
  'revision',
  'project',
  'job',
  'stream',
  'durable-stream',
  'event',
  'consumer',
  'webhook',
  'webhook-attempt',
  'dead-letter',
  'subscription',
  'subscription-stream',
  'key',
  'revocation',
  'audit',
  'end',
]
const BIG = 'x'.repeat(200_000)

t.test('an export whose client has gone while it waited for its turn is over at once', async t => {
  const { pool } = await createDatabase(t)
  const { free, works } = holdTurns(pool)
  let ended = false

  const lines = workspaceExportStream(pool, { workspace: 'acme' }, () => {
    ended = true
  })
  lines.destroy()
  let late = false
  works.catch(() => {
    late = true
  })
  await until('it has ended', () => ended)

  t.notOk(late, 'those that have waited as long are not refused yet')
  free()
  await works
})

t.test('an export has all of the workspace, nothing of another, and no secrets', async t => {
  const gateway = await startGateway(t)
  const pool = gateway.app.database
  for (const workspace of ['acme', 'globex']) await seed(pool, workspace)
  await pool.query(`delete from sluice.revocations`)
  await pool.query(`insert into sluice.revocations (workspace, subject, by) values ('acme', 'eve', 'me')`)
  const data = '{"n":12345678901234567890.10,"a" : 1,\n "a":2}'
  await pool.query(`select sluice.publish('acme', 'room', 'note.made', $1::json)`, [data])

  const response = await ask(gateway)
  const text = await response.text()

  const lines = linesOf(text)
  t.equal(response.headers.get('content-type'), 'application/x-ndjson')
  t.strictSame([...new Set(lines.map(({ kind }) => kind))], KINDS)
  t.match(lines[0], { version: 1, workspace: 'acme', at: /^20.*T/ })
  t.strictSame(lines.at(-1), { kind: 'end', lines: lines.length })
  t.ok(text.includes('"data":{"n":12345678901234567890.10,"a" : 1,  "a":2}'))
  t.notOk(text.includes('globex'))
  t.notMatch(text, /secret_hash|folded|\\\\x[0-9a-f]{64}/)
  const page = await fetch(`${gateway.url}/api/events?stream=room&from=beginning`, {
    headers: { ...as('viewer'), accept: 'application/json' },
  })
  const { events } = Object(await page.json())
  const exported = lines.filter(({ kind, stream }) => kind === 'event' && stream === 'room')
  t.match(exported, [{ id: events[0].id, position: 1, type: 'note.made', attributes: null, actor: null }])
  t.match(lines.at(-2), { kind: 'audit', action: 'workspace.exported', principal: 'admin-of-acme' })
})

t.test('an export is one snapshot', async t => {
  const { pool } = await createDatabase(t)
  await seed(pool, 'acme')
  let text = ''

  await exportWorkspace(pool, { workspace: 'acme' }, async lines => {
    if (text === '') await pool.query(`select sluice.publish('acme', 'late', 'note.made', '{}')`)
    text += lines
  })

  t.notOk(text.includes('"late"'))
  t.equal((await pool.query(`select from sluice.streams where name = 'late'`)).rowCount, 1)
})

t.test('no more is read than the reader takes, and a reader that goes frees the connection', async t => {
  const gateway = await startGateway(t)
  for (let n = 0; n < 8; n += 1) {
    await publish(
      gateway,
      Array.from({ length: 4 }, () => ({ type: 'note.made', data: { BIG } })),
    )
  }
  await gateway.app.database.query(
    `insert into sluice.events (stream_id, position, at, event_id, type, data)
     select stream_id, 32 + n, at, gen_random_uuid(), type, data from sluice.events, generate_series(1, 400) n where position = 32`,
  )
  const reads = countReads(gateway.app.database, query => query === 'fetch 32 from part')

  const response = await slowly(t, gateway)
  const second = await ask(gateway)
  await reads.stopped()
  const read = reads.count
  response.destroy()
  await until('its slot is free', () => gateway.app.streamSlots.holders.principal === 0)
  let third = await ask(gateway)
  await until('another one may run', async () => {
    if (third.status === 200) return true
    third = await ask(gateway)
    return false
  })

  // The rows before the events are six pages, and 432 events of 200 KB fourteen. Sockets here hold a few MB.
  t.ok(read > 0 && read < 12, `${read} pages were read for a reader that took none`)
  t.match([second.status, await second.json()], [503, { code: 'database-busy' }])
  t.match(linesOf(await third.text()).at(-1), { kind: 'end' })
})

t.test('an export ends when the credentials are revoked, and does not look whole', async t => {
  const gateway = await startGateway(t)
  await publish(gateway, { type: 'note.made', data: { BIG } })
  await gateway.app.database.query(
    `insert into sluice.events (stream_id, position, at, event_id, type, data)
     select stream_id, 1 + n, at, gen_random_uuid(), type, data from sluice.events, generate_series(1, 300) n where position = 1`,
  )
  const reader = (await ask(gateway)).body?.getReader()
  await reader?.read()

  await gateway.app.database.query(`insert into sluice.revocations (workspace, by) values ('acme', 'root')`)
  await gateway.app.guard.reload()

  await t.rejects(async () => {
    while (!(await reader?.read())?.done);
  })
})

t.test('only an admin exports', async t => {
  const gateway = await startGateway(t)
  const statuses: number[] = []

  for (const role of ['viewer', 'editor', 'runner'] as const) {
    statuses.push((await fetch(`${gateway.url}/api/workspace/export`, { headers: as(role) })).status)
  }

  t.strictSame(statuses, [403, 403, 403])
})

function ask(gateway: Gateway, method = 'GET'): Promise<Response> {
  return fetch(`${gateway.url}/api/workspace/export`, { method, headers: as('admin') })
}

function slowly(t: Test, gateway: Gateway): Promise<IncomingMessage> {
  const sent = httpRequest(`${gateway.url}/api/workspace/export`, {
    headers: as('admin'),
    agent: false,
  }).end()
  t.teardown(() => sent.destroy())
  return new Promise(resolve => sent.once('response', resolve))
}

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}
