import t from 'tap'
import { RetrySchedule } from '../../../../src/webhooks/delivery/retry-schedule.js'

/** The schedule as it is documented, in seconds. */
const SECONDS = [5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400]

t.test('each pause is within a fifth of the schedule, and after the last one there is none', async t => {
  const pauses = (random: number) => {
    const schedule = new RetrySchedule({ random: () => random })
    return Array.from({ length: 11 }, (_, n) => schedule.pauseAfter(n + 1))
  }

  t.strictSame(pauses(0.5), [...SECONDS.map(s => s * 1_000), undefined])
  t.strictSame(pauses(0), [...SECONDS.map(s => s * 800), undefined])
  t.strictSame(pauses(1), [...SECONDS.map(s => s * 1_200), undefined])
})

t.test('a receiver gets the longer pause that it asks for, but for a day at most', async t => {
  const schedule = new RetrySchedule({ random: () => 0.5 })

  t.equal(schedule.pauseAfter(1, 1_000), 5_000)
  t.equal(schedule.pauseAfter(1, 9_000), 9_000)
  t.equal(schedule.pauseAfter(1, Number.MAX_SAFE_INTEGER), 86_400_000)
  t.equal(schedule.pauseAfter(11, 9_000), undefined)
})
