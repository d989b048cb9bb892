import t from 'tap'
import { steadyClock } from '../../../src/process/steady-clock.js'
import { movableClock } from '../../harness/clock.js'

const HOUR = 3_600_000

t.test('it counts what the clock of the system leaps ahead, and not what it goes back', t => {
  const system = movableClock(t)
  const now = steadyClock()
  const start = now()

  system.forward(-HOUR)
  const back = now() - start
  t.ok(back >= 0 && back < HOUR / 2, `${back}`)

  system.forward(HOUR)
  const ahead = now() - start
  t.ok(ahead >= HOUR && ahead < 1.5 * HOUR, `${ahead}`)
  t.ok(now() - start < 1.5 * HOUR, 'a leap counts once')
  t.end()
})
