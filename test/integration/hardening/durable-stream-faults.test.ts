/** Durable streams on a database that refuses to write, and on one that cuts connections: nothing is lost, nothing is stored twice. */
import pg from 'pg'
import t from 'tap'
import { as, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const headers = { ...as('editor'), 'content-type': 'application/json' }
const batch = (seq: number) => ({ 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': `${seq}` })

t.test(
  'a database that only reads refuses each write with 503, and the stream is read meanwhile',
  async t => {
    const gateway = await startGateway(t)
    const send = (method: string, name: string, extra: object = {}, body?: string) =>
      fetch(`${gateway.url}/v1/stream/${name}`, {
        method,
        headers: { ...headers, ...extra },
        ...(body !== undefined && { body }),
      })
    const admin = new pg.Client({
      connectionString: gateway.databaseUrl,
      options: '-c default_transaction_read_only=off',
    })
    await admin.connect()
    t.teardown(() => admin.end())
    const setReadOnly = async (value: 'on' | 'off') => {
      await admin.query(
        `do $$ begin execute format('alter database %I set default_transaction_read_only = ${value}', current_database()); end $$`,
      )
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
      )
    }
    t.equal((await send('PUT', 'story')).status, 201)
    t.equal((await send('POST', 'story', batch(0), '1')).status, 200)

    await setReadOnly('on')
    await until('writes are refused', async () => (await send('POST', 'story', batch(1), '2')).status === 503)
    for (const [method, name] of [
      ['PUT', 'other'],
      ['DELETE', 'story'],
    ] as const) {
      const refused = await send(method, name)
      t.equal(refused.status, 503, method)
      t.match(await refused.json(), { code: /./, detail: /./ })
    }
    await until('it is read', async () => (await send('GET', 'story')).status === 200)
    t.equal(await (await send('GET', 'story')).text(), '[1]')

    await setReadOnly('off')
    await until('writes are taken', async () =>
      [200, 204].includes((await send('POST', 'story', batch(1), '2')).status),
    )
    t.equal((await send('POST', 'story', batch(1), '2')).status, 204)
    t.equal(await (await send('GET', 'story')).text(), '[1,2]')
  },
)
