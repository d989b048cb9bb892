import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { call, create, numbered, page } from './client.js'

/** An advisory lock. */
const NOTES = 4_711

t.test('a page whose client leaves while it is noted leaves the consumer to others at once', async t => {
  const { gateway, notes } = await start(t)
  let isClosed = false
  gateway.app.server.once('request', (_, response) => {
    response.once('close', () => {
      isClosed = true
    })
  })
  const leaving = new AbortController()
  const left = page(gateway, 'one', leaving.signal).catch(() => undefined)
  await until('the page is being noted', notes.areWaiting)

  leaving.abort()
  await left
  await until('the gateway knows that the client has left', () => isClosed)
  await notes.release()

  await until('another client gets the page', async () => (await page(gateway, 'one')).status === 200)
})

t.test('so does a page whose client is revoked meanwhile', async t => {
  const { gateway, pool, notes } = await start(t)
  const revoked = page(gateway, 'one')
  await until('the page is being noted', notes.areWaiting)

  await pool.query(
    `insert into sluice.revocations (workspace, subject, by) values ('acme', 'editor-of-acme', 'root')`,
  )
  await gateway.app.guard.reload()
  await notes.release()

  t.match(await revoked, { status: 401 })
  const headers = { ...as('admin'), accept: 'application/json' }
  t.match(await call(gateway, 'GET', 'one/events', undefined, headers), { status: 200 })
})

t.test('so does a page that becomes a 503 because other responses have taken the memory', async t => {
  const gateway: Gateway = await startGateway(t)
  const large = { type: 'thing.made', data: { text: 'x'.repeat(30_000) } }
  await publish(gateway, [large, large, large])
  await create(gateway, 'one', { ack_timeout_ms: 3_600_000 })
  const others = gateway.app.transfers.open('acme')
  others.hold(Number.MAX_SAFE_INTEGER)

  const refused = await page(gateway, 'one')
  others.release()

  t.match(refused, { status: 503, body: { code: 'memory-low' } })
  await until('the next client gets the page', async () => (await page(gateway, 'one')).status === 200)
})

/** A gateway with a consumer that has an event to hand out. Its note waits until it is released. */
async function start(t: Test) {
  const { pool, url: databaseUrl } = await createDatabase(t)
  const gateway: Gateway = await startGateway(t, { databaseUrl })
  await publish(gateway, numbered(1))
  await create(gateway, 'one', { ack_timeout_ms: 3_600_000 })
  return { gateway, pool, notes: await holdNotes(pool) }
}

async function holdNotes(pool: Database) {
  await pool.query(
    `create function public.wait_for_test() returns trigger language plpgsql as $$
       begin
         perform pg_advisory_xact_lock_shared(${NOTES});
         return new;
       end $$`,
  )
  await pool.query(
    `create trigger wait_for_test before update on sluice.consumers
       for each row when (new.in_flight > 0) execute function public.wait_for_test()`,
  )
  const client = await pool.connect()
  await client.query(`select pg_advisory_lock(${NOTES})`)
  return {
    async areWaiting(): Promise<boolean> {
      const { rows } = await pool.query(
        `select from pg_locks l join pg_database d on d.oid = l.database
          where l.locktype = 'advisory' and not l.granted and l.objid = ${NOTES} and d.datname = current_database()`,
      )
      return rows.length > 0
    },
    async release(): Promise<void> {
      await client.query(`select pg_advisory_unlock(${NOTES})`)
      client.release()
    },
  }
}
