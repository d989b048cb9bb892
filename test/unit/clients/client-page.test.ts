import t from 'tap'
import { firstOf } from '../../../src/clients/client-page.js'

const LETTERS = [...'hdbgcafe']
const same = (letter: string) => letter

t.test('the first entries after a key, in either order', async t => {
  t.strictSame(firstOf(LETTERS, same, { order: 'ascending', limit: 3 }), ['a', 'b', 'c'])
  t.strictSame(firstOf(LETTERS, same, { order: 'ascending', limit: 3, after: 'c' }), ['d', 'e', 'f'])
  t.strictSame(firstOf(LETTERS, same, { order: 'descending', limit: 3 }), ['h', 'g', 'f'])
  t.strictSame(firstOf(LETTERS, same, { order: 'descending', limit: 9, after: 'c' }), ['b', 'a'])
  t.strictSame(firstOf([], same, { order: 'ascending', limit: 3 }), [])
})
