/** pg.native cannot be installed everywhere: its class of clients is imitated. */
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { openPool } from '../../../src/database/pool-source.js'
import { createEngine } from '../../../src/engine/engine.js'

const OPTIONS = { max: 1, name: 'test', onError: () => {} }

t.test('a pool of pg.native is refused before anything is sent to its database', async t => {
  const pool = nativePool()

  t.throws(() => openPool({ pool }, OPTIONS), /pg\.native/)
  await t.rejects(migrate(pool), /pg\.native/)
  await t.rejects(createEngine({ database: pool, migrate: false }), /pg\.native/)
})

t.test('a pool of pg, and one with clients of the host, are not', async t => {
  class Client extends pg.Client {}
  class Other {}
  for (const pool of [new pg.Pool(), new pg.Pool({ Client }), withClients(Other), withClients(undefined)]) {
    t.ok(openPool({ pool }, OPTIONS))
  }
})

/** As pg makes it: the queries have no method for the rows' description, because libpq reads it. */
function nativePool(): pg.Pool {
  class NativeQuery {
    submit() {
      throw new Error('A query was sent.')
    }
  }
  return withClients(
    class {
      static Query = NativeQuery
      connect() {
        throw new Error('It has connected.')
      }
    },
  )
}

function withClients(Client: unknown): pg.Pool {
  return Object.assign(new pg.Pool(), { Client })
}
