import t from 'tap'
import { workerFlags } from '../../../server/worker-flags.js'

t.test('the threads of all workers fit the processors', async t => {
  t.same(workerFlags(2, [], '', 2), ['--v8-pool-size=1'], 'one at least')
  t.same(workerFlags(2, [], '', 8), ['--v8-pool-size=3'])
  t.same(workerFlags(2, [], '', 64), ['--v8-pool-size=4'], 'as many as V8 would start, at most')
})

t.test('the flags of the parent stay, and so does a size that somebody has set', async t => {
  const flags = ['--import', './x.js']
  t.same(workerFlags(2, flags, flags.join(' '), 2), [...flags, '--v8-pool-size=1'])
  t.same(workerFlags(2, flags, `--no-warnings --v8_pool_size=2 ${flags.join(' ')}`, 2), flags)
  for (const given of [['--v8-pool-size=2'], ['--v8-pool-size', '2'], ['--v8_pool_size=2']]) {
    t.same(workerFlags(2, given, given.join(' '), 2), given)
  }
})
