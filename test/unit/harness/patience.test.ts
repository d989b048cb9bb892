import t from 'tap'
import { patient } from '../../harness/patience.js'

t.test(
  'a deadline is a whole number of milliseconds, as child_process requires, whatever the load',
  async t => {
    t.equal(patient(0.3) % 1, 0)
    t.ok(patient(0.3) >= 1)
  },
)
