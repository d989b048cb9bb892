/** The delay of the event loop, as a node reports it. */
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { EventLoopDelay } from '../../../src/process/event-loop-delay.js'
import { until } from '../../harness/until.js'

t.test('the longest delay since the last reading', async t => {
  const delay = new EventLoopDelay()
  t.teardown(() => delay.close())
  await pause(50)
  const end = performance.now() + 300
  while (performance.now() < end);
  await pause(50)

  const longest = delay.longestMs()
  t.ok(longest > 200, `${longest} ms`)
  await until('a turn without it', async () => {
    await pause(25)
    return delay.longestMs() < 200
  })
  delay.close()
  delay.close()
})
