import t from 'tap'
import { WayCounts } from '../../../src/hub/way-counts.js'
import { WAYS } from '../../../src/log/event.js'

t.test('a way that no gateway knows counts as unknown, whatever its name is', async t => {
  const counts = new WayCounts([...WAYS, 'unknown'])

  // A program with SQL names the way itself.
  for (const way of ['constructor', '__proto__', 'x'.repeat(1_000)]) counts.add(way as never, 2)
  counts.add(null, 1)
  counts.add('sql', 3)

  t.strictSame(Object.keys(counts.counts), [...WAYS, 'unknown'])
  t.strictSame([counts.counts.unknown, counts.counts.sql, counts.total], [7, 3, 10])
})
