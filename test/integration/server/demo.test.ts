import { EventEmitter, on, once } from 'node:events'
import t from 'tap'
import { playDemo } from '../../../server/demo.js'
import { Items } from '../../../src/items/items.js'
import { createDatabase } from '../../harness/database.js'
import { patienceSignal } from '../../harness/patience.js'
import { execute, withDatabase } from '../../harness/server.js'

const DEADLINE_MS = 60_000
const CHANGES = 500
/** 6 families of 7 part numbers, and the item that somebody else made. */
const MOST_ITEMS = 43
const MOST_REVISIONS = 9

t.test('the demo draws, edits, releases and retires its items, within its bounds', async t => {
  const { pool } = await createDatabase(t)
  const watch = new EventEmitter()
  const items = new Items({ database: pool, onCommitted: () => watch.emit('committed') })
  const mine = { part_number: 'MINE', description: 'Of somebody else', item_type: 'part' }
  const { etag } = await items.create({ id: 'ann', workspace: 'demo' }, mine)

  const demo = playDemo(items, { meanPauseMs: 0, onError: error => watch.emit('error', error) })
  let changes = 0
  for await (const _ of on(watch, 'committed', { signal: patienceSignal(DEADLINE_MS) })) {
    if (++changes === CHANGES) break
  }
  await demo.close()
  await demo.close()

  const { value } = await items.list({ workspace: 'demo' }, { limit: 200 })
  t.ok(value.items.length <= MOST_ITEMS)
  t.ok(value.items.every(({ revision }) => revision <= MOST_REVISIONS))
  t.equal(value.items.find(({ part_number }) => part_number === 'MINE')?.etag, etag)
  const { rows } = await pool.query<{ type: string }>('select distinct type from sluice.events order by type')
  t.same(
    rows.map(({ type }) => type),
    ['item.created', 'item.deleted', 'item.updated', 'revision.created'],
  )
})

t.test('the demo waits while the database is down, logs it once, and goes on', async t => {
  const { url, pool } = await createDatabase(t)
  const name = (await pool.query('select current_database() as name')).rows[0].name
  const watch = new EventEmitter()
  const items = new Items({ database: pool, onCommitted: () => watch.emit('committed') })
  const signal = patienceSignal(DEADLINE_MS)
  const failures: unknown[] = []
  const onError = (error: unknown) => {
    failures.push(error)
    watch.emit('failed')
  }
  const demo = playDemo(items, { meanPauseMs: 0, onError })
  t.teardown(() => demo.close())
  await once(watch, 'committed', { signal })

  const failed = once(watch, 'failed', { signal })
  await allowConnections(url, name, false)
  await failed
  const goesOn = once(watch, 'committed', { signal })
  await allowConnections(url, name, true)
  await goesOn

  t.equal(failures.length, 1)
})

/** Shuts the database `name`, and ends every connection to it; or opens it again. */
async function allowConnections(url: string, name: string, allowed: boolean): Promise<void> {
  const server = withDatabase(url, 'postgres')
  await execute(server, `alter database ${name} with allow_connections ${allowed}`)
  if (allowed) return
  await execute(server, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
}
