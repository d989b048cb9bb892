import t from 'tap'
import { freePort } from '../../harness/port.js'

t.test('a port is given once in a run, also while nobody listens on it', async t => {
  const before = process.env.SLUICE_TEST_FOLDER
  process.env.SLUICE_TEST_FOLDER = t.testdir()
  t.teardown(() => {
    if (before === undefined) delete process.env.SLUICE_TEST_FOLDER
    else process.env.SLUICE_TEST_FOLDER = before
  })
  // The same places again and again, until a port of them is free.
  const places = () => Array.from({ length: 10 }, (_, n) => n / 10)
  const drawn = [...places(), ...places()]
  t.capture(Math, 'random', () => drawn.shift() ?? 0)

  const first = await freePort()
  drawn.splice(0, drawn.length, ...places())

  t.not(await freePort(), first)
})
