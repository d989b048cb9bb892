import t from 'tap'
import { inFullBatches, SWEEP_BATCH, type Sweep, sweepAll } from '../../../src/database/sweep.js'

const { signal } = new AbortController()

t.test('a sweep that fails does not stop the others, and its error is thrown after them', async t => {
  const removed: string[] = []
  const sweep = (name: string, run: Sweep['run']): Sweep => ({ name, run })
  const sweeps = [
    sweep('first', () => Promise.reject(new Error('first'))),
    sweep('second', async () => 2),
    sweep('third', () => Promise.reject(new Error('third'))),
    sweep('fourth', async () => 0),
  ]

  await t.rejects(
    sweepAll(sweeps, signal, (name, rows) => removed.push(`${name} ${rows}`)),
    /first/,
  )

  t.strictSame(removed, ['second 2'])
})

t.test('full batches are followed by another one, until the signal aborts', async t => {
  const batches = [SWEEP_BATCH, SWEEP_BATCH, 7, SWEEP_BATCH]
  const next = async () => batches.shift() ?? 0

  t.equal(await inFullBatches(next, signal), 2 * SWEEP_BATCH + 7)
  t.equal(await inFullBatches(next, AbortSignal.abort()), 0)
  t.strictSame(batches, [SWEEP_BATCH])
})
