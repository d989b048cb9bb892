/** docs/guarantees.md: what it promises is tested by files that exist. */
import t from 'tap'
import { read, rows } from '../../harness/document.js'

t.test('each guarantee names the test that fails without it', async t => {
  const guarantees = rows(read('docs/guarantees.md'))

  t.ok(guarantees.length > 15)
  for (const [promise = '', , shown = ''] of guarantees)
    t.match(shown, /\]\(\.\.\/test\/.*\.test\.ts\)/, promise)
})
