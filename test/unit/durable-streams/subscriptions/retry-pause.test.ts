/** The pauses after failed wakes: from 1 s to 60 s, spread by 20 %. */
import t from 'tap'
import { retryPauseMs } from '../../../../src/durable-streams/subscriptions/retry-pause.js'

const FAILED = { kind: 'failed', error: 'connect', detail: 'No connection.', milliseconds: 1 } as const

t.test('pauses double up to a minute, and are spread by a fifth', async t => {
  const middle = [0, 1, 2, 3, 4, 5, 6, 7, 1_000].map(failures => retryPauseMs(FAILED, failures, () => 0.5))

  t.same(middle, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  t.equal(
    retryPauseMs(FAILED, 0, () => 0),
    800,
  )
  t.equal(
    retryPauseMs(FAILED, 0, () => 1),
    1_200,
  )
})

t.test('a receiver may ask for a longer pause, of a minute at most', async t => {
  const answered = { kind: 'answered', status: 503, milliseconds: 1, answer: '' } as const

  t.equal(
    retryPauseMs({ ...answered, retryAfterMs: 30_000 }, 0, () => 0.5),
    30_000,
  )
  t.equal(
    retryPauseMs({ ...answered, retryAfterMs: 3_600_000 }, 0, () => 0.5),
    60_000,
  )
})

t.test('a request that was cut is sent by another process at once', async t => {
  t.equal(retryPauseMs({ kind: 'aborted' }, 5), 0)
})
