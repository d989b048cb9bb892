import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { BusStatus } from '../../../src/bus/bus.js'
import { LogPoll } from '../../../src/hub/log-poll.js'
import { silent } from '../../harness/hub.js'

const EVERY_MS = 500

t.test('it polls every 5 s while wakes arrive, and every 500 ms while they may be missing', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const bus: { status: BusStatus } = { status: 'listening' }
  let polls = 0
  let mayMissWakes = true
  const poll = new LogPoll({ bus, logger: silent, poll: () => (polls += 1) })
  poll.hurryWhile(() => mayMissWakes)
  poll.start()
  const in10Seconds = async () => {
    polls = 0
    for (let tick = 0; tick < 20; tick += 1) {
      mock.timers.tick(EVERY_MS)
      await turn()
    }
    return polls
  }

  const whileUnknown = await in10Seconds()
  mayMissWakes = false
  const whileKnown = await in10Seconds()
  bus.status = 'down'
  const whileDown = await in10Seconds()

  t.strictSame([whileUnknown, whileKnown, whileDown], [20, 2, 20])
})
