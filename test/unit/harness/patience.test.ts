import t from 'tap'
import { afterPatience, patient } from '../../harness/patience.js'

t.test(
  'a deadline is a whole number of milliseconds, as child_process requires, whatever the load',
  async t => {
    t.equal(patient(0.3) % 1, 0)
    t.ok(patient(0.3) >= 1)
  },
)

t.test('a process that stands still does not wait meanwhile, and waits on afterwards', async t => {
  let isLate = false
  const late = new Promise<void>(resolve => {
    afterPatience(50, () => {
      isLate = true
      resolve()
    })
  })
  const begun = performance.now()
  while (performance.now() - begun < 2 * patient(50));
  for (let turns = 0; turns < 3; turns += 1) await new Promise(resolve => setImmediate(resolve))

  t.equal(isLate, false)
  await late
})
