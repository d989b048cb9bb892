/** I5: one workspace never takes all database connections of a gateway. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { as, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

t.test('a workspace whose requests wait in the database leaves a connection to the others', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const { url } = await startGateway(t, { databaseUrl, env: { DATABASE_POOL: '3' } })
  const items = (workspace: string, path = '', method = 'GET', content?: object) =>
    fetch(`${url}/api/items${path}`, {
      method,
      headers: { ...as('editor', workspace), 'content-type': 'application/json' },
      body: content === undefined ? null : JSON.stringify(content),
    })
  await items('acme', '', 'POST', { part_number: 'A-1', description: 'Bracket', item_type: 'part' })
  const holder = await pool.connect()
  await holder.query('begin')
  await holder.query('select from sluice.items for update')

  const changes = Array.from({ length: 4 }, () => items('acme', '/A-1', 'PATCH', { description: 'Plate' }))
  await until('two changes that wait', async () => {
    const { rowCount } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return Number(rowCount) >= 2
  })

  t.equal((await items('other')).status, 200)
  await holder.query('commit')
  holder.release()
  t.strictSame(
    (await Promise.all(changes)).map(({ status }) => status),
    [200, 200, 200, 200],
  )
})
