/** The actor of an event is checked by the call that names it, not by the COMMIT. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { logged } from '../../harness/records.js'

t.test('an actor of more than 1024 bytes is refused at the call, and the error says so', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.publish('w', 'feed', 'a.b', '{}', repeat('é', 512))`)
  const long = `'x' || repeat('é', 512)`

  for (const call of [
    `sluice.publish('w', 'feed', 'a.b', '{}', ${long})`,
    `sluice.append('w', 'feed', 'a.b', '{}', ${long})`,
    `sluice.redact('w', 'feed', 1, 'reason', ${long})`,
    `sluice.redact_where('w', 'feed', '{"a":1}', 'reason', ${long})`,
  ])
    await t.rejects(
      pool.query(`begin; select ${call}`),
      { code: 'SL002', message: /the actor is 1025 bytes/ },
      call,
    )
  t.equal((await logged(pool)).length, 1)
})
