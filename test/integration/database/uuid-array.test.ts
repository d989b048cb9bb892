/** UUIDs in Postgres' binary form arrive as they were. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { uuidArray } from '../../../src/database/uuid-array.js'
import { createDatabase } from '../../harness/database.js'

t.test('the server has the same UUIDs in the same order, and nulls', async t => {
  const { pool } = await createDatabase(t)
  const many = Array.from({ length: 1_000 }, (_, n) => (n % 7 === 3 ? undefined : randomUUID()))

  for (const uuids of [many, [undefined], []]) {
    const { rows } = await pool.query('select $1::uuid[]::text[] as found', [uuidArray(uuids)])
    t.strictSame(
      rows[0].found,
      uuids.map(uuid => uuid ?? null),
    )
  }
})
