import t from 'tap'
import { attemptId } from '../../../src/webhooks/delivery-records.js'

t.test('ids of attempts are in the order in which they were made, also within a millisecond', async t => {
  const at = new Date()
  const made = [at, at, new Date(at.getTime() + 1)].flatMap(time =>
    Array.from({ length: 5_000 }, () => attemptId(time)),
  )

  t.equal(made.filter((id, n) => id <= (made[n - 1] ?? '')).length, 0)
  t.equal(new Set(made).size, made.length)
  t.match(made[4_999], /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
