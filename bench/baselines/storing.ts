/**
 * As the bare Node server, but each event is a row in Postgres before it is written to the clients: what any gateway in Node costs that
 * stores first. `DATABASE_URL` names the database.
 */
import pg from 'pg'
import { frameOf, serve } from './publishing.js'

const INSERT = {
  name: 'insert',
  text: 'insert into ticks (type, data) values ($1, $2) returning position',
}

/** One connection, so that events are written in the order of their positions. */
const database = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 })
await database.query(
  'create table ticks (position bigint generated always as identity primary key, type text, data text)',
)

serve(async (ticks, write) => {
  for (const { type, data } of ticks) {
    const text = JSON.stringify(data)
    const { rows } = await database.query({ ...INSERT, values: [type, text] })
    write(frameOf(rows[0].position, type, text))
  }
})
