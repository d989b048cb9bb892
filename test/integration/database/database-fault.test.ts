/** What SQLSTATE is whose fault: each is raised by a real Postgres, and seen by a caller, a stream and the log. */
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { type DatabaseFaultName, databaseFault } from '../../../src/database/database-fault.js'
import { inTransaction } from '../../../src/database/pool.js'
import { sse } from '../../../src/sse/encoding.js'
import { createDatabase } from '../../harness/database.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

type Expected = readonly [name: DatabaseFaultName, level: 'warn' | 'error', discard: boolean]

const THEIRS: Readonly<Record<string, Expected>> = {
  '08000': ['away', 'warn', true],
  '08006': ['away', 'warn', true],
  '25006': ['read-only', 'warn', true],
  '25P03': ['too-slow', 'warn', true],
  '25P04': ['too-slow', 'warn', true],
  '26000': ['not-set-up', 'error', true],
  '28000': ['not-set-up', 'error', true],
  '28P01': ['not-set-up', 'error', true],
  '3D000': ['not-set-up', 'error', true],
  '3F000': ['not-set-up', 'error', true],
  '40001': ['contended', 'warn', false],
  '40P01': ['contended', 'warn', false],
  '42501': ['not-set-up', 'error', true],
  '42704': ['not-set-up', 'error', true],
  '42883': ['not-set-up', 'error', true],
  '42P01': ['not-set-up', 'error', true],
  '42P05': ['not-set-up', 'error', true],
  '53000': ['out-of-resources', 'warn', false],
  '53100': ['out-of-resources', 'error', false],
  '53200': ['out-of-resources', 'warn', false],
  '53300': ['out-of-resources', 'warn', false],
  '54000': ['out-of-resources', 'warn', false],
  '55006': ['contended', 'warn', false],
  '55P02': ['not-set-up', 'error', true],
  '55P03': ['contended', 'warn', false],
  '57000': ['away', 'warn', true],
  '57014': ['too-slow', 'warn', false],
  '57P01': ['away', 'warn', true],
  '57P03': ['away', 'warn', true],
  '58000': ['broken', 'error', true],
  '58030': ['broken', 'error', true],
  '58P01': ['broken', 'error', true],
  XX000: ['broken', 'error', true],
  XX001: ['broken', 'error', true],
  XX002: ['broken', 'error', true],
}

/** A statement or a value of ours that was wrong: to try again does not mend it. */
const OURS = [
  '0A000',
  '22003',
  '22021',
  '22023',
  '23505',
  '25P02',
  '42601',
  '42703',
  '54001',
  '55000',
  'P0001',
]

t.test('each SQLSTATE as Postgres raises it: the answer, the notice on a stream, and the log', async t => {
  const { pool } = await createDatabase(t)
  const lines: string[] = []
  const app = await guardedApp(t, { log: line => lines.push(line) })
  const raise = async ({ params }: { params: unknown }) => {
    const { state } = params as { state: string }
    await pool.query(`do $$ begin raise exception 'hunter2' using errcode = '${state}'; end $$`)
  }
  app.get('/raise/:state', { config: { access: 'public' } }, raise)
  app.get('/follow/:state', { config: { access: 'viewer', stream: () => sse } }, raise)
  const headers = { ...bearer(token()), accept: 'text/event-stream' }

  for (const [state, [name, level, discard]] of Object.entries(THEIRS)) {
    lines.length = 0
    const answer = await app.inject(`/raise/${state}`)
    const stream = await app.inject({ url: `/follow/${state}`, headers })

    const code = name === 'contended' ? 'contention' : 'database-unavailable'
    t.match({ status: answer.statusCode, ...answer.json() }, { status: 503, code }, state)
    t.match(answer.headers['retry-after'], /^[12]$/)
    if (name !== 'contended') t.equal(answer.json().database, name, state)
    const data = name === 'contended' || name === 'away' ? '' : `,"database":"${name}"`
    t.match([stream.statusCode, stream.headers['content-type']], [200, /^text\/event-stream/], state)
    t.match(stream.body, `event: unavailable\ndata: {"reason":"database"${data}}`, state)
    const said = lines
      .map(line => JSON.parse(line))
      .filter(({ msg }) => msg === 'request could not be served')
    t.strictSame(
      said.map(line => line.level),
      [level, level].map(word => (word === 'error' ? 50 : 40)),
      state,
    )
    t.notMatch(answer.body + stream.body, 'hunter2')
    t.match(databaseFault(Object.assign(new Error(), { code: state })), { name, level, discard })
  }
  for (const state of OURS) {
    const answer = await app.inject(`/raise/${state}`)
    t.match({ status: answer.statusCode, ...answer.json() }, { status: 500, code: 'internal' }, state)
  }
})

t.test(
  'a transaction that the server ended because it idled is a 503, and its connection is replaced',
  async t => {
    const { pool } = await createDatabase(t)
    const idle = inTransaction(pool, async client => {
      await client.query(`set local idle_in_transaction_session_timeout = '10ms'`)
      const ended = new Promise(resolve => client.once('end', resolve))
      await Promise.race([ended, pause(10_000)])
      await client.query('select 1')
    })

    t.ok(databaseFault(await idle.catch((error: unknown) => error)))

    t.equal((await pool.query('select 1')).rowCount, 1)
  },
)
