import t from 'tap'
import { stopInWaves, waveOf } from '../../../src/hub/draining.js'

t.test('333 clients a second end or, with many, all of them evenly within the time', async t => {
  const sizes = [
    [0, 10_000],
    [1, 10_000],
    [240, 10_000],
    [2_000, 10_000],
    [5_000, 10_000],
    [10_000, 5_000],
    [300, 0],
  ].map(([clients = 0, longestMs = 0]) => waveOf(clients, longestMs))

  t.strictSame(sizes, [0, 1, 30, 34, 50, 200, 300])
})

t.test('a wave later the next clients end, unless all have left by then', async t => {
  const open = new Set<{ stop(): void }>()
  let stopped = 0
  const opened = (stop: () => void) => {
    open.clear()
    for (let n = 0; n < 40; n += 1) open.add({ stop })
    stopped = 0
    return stopInWaves(open, 10_000)
  }

  const begun = performance.now()
  const stopping = opened(() => {
    stopped += 1
  })
  t.equal(stopped, 20)
  await stopping
  t.equal(stopped, 40)
  t.ok(performance.now() - begun > 95)

  await opened(() => {
    stopped += 1
    open.clear()
  })
  t.equal(stopped, 20)
})
