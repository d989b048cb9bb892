import t from 'tap'
import { publishAccessChange } from '../../../../src/auth/revocations/access-change.js'
import { inTransaction } from '../../../../src/database/pool.js'
import { createDatabase } from '../../../harness/database.js'

const READ = `
  select s.kind, e.type, e.data from sluice.events e join sluice.streams s on s.id = e.stream_id
   where s.workspace = '$system' and s.name = 'access' order by e."position"`

t.test(
  'a change of access is an event when its transaction commits, and nothing when it does not',
  async t => {
    const { pool } = await createDatabase(t)

    await inTransaction(pool, async client => {
      await publishAccessChange(client, { change: 'key', key: 'k1' })
      t.equal((await pool.query(READ)).rowCount, 0, 'not before')
    })
    const failed = inTransaction(pool, async client => {
      await publishAccessChange(client, { change: 'revocations' })
      throw new Error('no')
    })

    await t.rejects(failed)
    t.strictSame((await pool.query(READ)).rows, [
      { kind: 'access', type: 'access.changed', data: '{"change":"key","key":"k1"}' },
    ])
  },
)
