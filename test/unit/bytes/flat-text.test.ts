import { randomUUID } from 'node:crypto'
import t from 'tap'
import { flatText } from '../../../src/bytes/flat-text.js'

t.test('the copy has the same characters', async t => {
  const id = randomUUID()

  t.strictSame([flatText(id), flatText('é – 🦆'), flatText('')], [id, 'é – 🦆', ''])
})
