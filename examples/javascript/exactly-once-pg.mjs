// Copies events into a table, each exactly once: the row and the cursor are committed together. Needs `sluice-client` and `pg`.
//
//   create table doors (id text primary key, data jsonb not null);
//   create table cursors (key text primary key, id text not null);
import pg from 'pg'
import { createClient } from 'sluice-client'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const client = createClient({ url: process.env.SLUICE_URL, credentials: process.env.SLUICE_TOKEN })

/** A place in the table `cursors` for each feed. */
const cursors = key => ({
  async load() {
    const { rows } = await pool.query('select id from cursors where key = $1', [key])
    return rows[0]?.id
  },
  async transaction(id, work) {
    const connection = await pool.connect()
    try {
      await connection.query('begin')
      await work(connection)
      await connection.query(
        'insert into cursors values ($1, $2) on conflict (key) do update set id = excluded.id',
        [key, id],
      )
      await connection.query('commit')
    } catch (error) {
      await connection.query('rollback')
      throw error
    } finally {
      connection.release()
    }
  },
})

const feed = client.feed({ types: ['door.opened'], from: 'beginning' })
await feed.each(async ({ id, data }, connection) => {
  await connection.query('insert into doors values ($1, $2)', [id, data])
}, cursors)
