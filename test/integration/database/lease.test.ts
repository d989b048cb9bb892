import { randomUUID } from 'node:crypto'
import t from 'tap'
import { holdLease, leaveLease } from '../../../src/database/lease.js'
import { createDatabase } from '../../harness/database.js'
import { until } from '../../harness/until.js'

const LONG_MS = 600_000

t.test('of many processes that want a lease at once, one has it, keeps it, and gives it up', async t => {
  const { pool } = await createDatabase(t)
  const processes = Array.from({ length: 8 }, () => randomUUID())
  const holders = async () => {
    const held = await Promise.all(processes.map(id => holdLease(pool, 'work', id, LONG_MS)))
    return processes.filter((_, index) => held[index])
  }

  const [first = '', ...others] = await holders()
  const again = await holders()
  await leaveLease(pool, 'work', processes.find(id => id !== first) ?? '')
  const stillThere = await holders()
  await leaveLease(pool, 'work', first)
  const [next] = await holders()

  t.strictSame(others, [], 'only one has it')
  t.strictSame([again, stillThere], [[first], [first]], 'it keeps it, also when another one gives it up')
  t.ok(next !== undefined && processes.includes(next), 'then another may have it')
  t.ok(await holdLease(pool, 'other work', processes[0] ?? '', LONG_MS), 'a lease of another name is free')
})

t.test('a lease that is not renewed goes to another process', async t => {
  const { pool } = await createDatabase(t)
  const [one, two] = [randomUUID(), randomUUID()]

  t.ok(await holdLease(pool, 'work', one, 50))

  await until('the lease has run out', () => holdLease(pool, 'work', two, LONG_MS))
  t.notOk(await holdLease(pool, 'work', one, LONG_MS))
})
