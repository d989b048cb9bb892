import t from 'tap'
import { type Finding, SilenceJudge } from '../../../src/process/watchdog-data.js'

const TIMES = { tickMs: 250, blockMs: 2_000, killMs: 30_000 }

/** Ticks of 250 ms unless said otherwise; a beat in each where `beats` is true. */
function watch(judge: SilenceJudge) {
  let now = 0
  let count = 0
  return (ticks: number, beats: boolean, tickMs = TIMES.tickMs): Finding[] =>
    Array.from({ length: ticks }, () => {
      now += tickMs
      if (beats) count += 1
      return judge.tick(count, now) ?? []
    }).flat()
}

t.test('a block is found once, and so is its end, with its length', async t => {
  const ticks = watch(new SilenceJudge(TIMES))

  t.strictSame(ticks(20, true), [])
  t.strictSame(ticks(7, false), [], 'less than 2 s')
  t.strictSame(ticks(1, true), [])
  t.strictSame(ticks(12, false), [{ found: 'blocked', ms: 2_000 }])
  t.strictSame(ticks(4, true), [{ found: 'ended', ms: 3_000 }])
  t.strictSame(ticks(8, false), [{ found: 'blocked', ms: 2_000 }], 'and the next one')
})

t.test('a long block is found to be stuck, once', async t => {
  const ticks = watch(new SilenceJudge(TIMES))
  ticks(1, true)

  t.strictSame(ticks(200, false), [
    { found: 'blocked', ms: 2_000 },
    { found: 'stuck', ms: 30_000 },
  ])
  t.strictSame(watch(new SilenceJudge({ ...TIMES, killMs: 0 }))(200, false).length, 1, 'unless switched off')
})

t.test('time in which the watcher stood still as well is no silence', async t => {
  const ticks = watch(new SilenceJudge(TIMES))
  ticks(1, true)

  t.strictSame(ticks(1, false, 3_600_000), [], 'the machine slept for an hour')
  t.strictSame(ticks(3, true), [])
})
