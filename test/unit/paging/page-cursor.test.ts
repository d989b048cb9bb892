import t from 'tap'
import { cutPage, formatCursor, parseCursor } from '../../../src/paging/page-cursor.js'

const KEY = /^[A-Z][0-9]+$/

t.test('a cursor gives back the key that it was made from', async t => {
  t.equal(parseCursor('items', formatCursor('items', 'A1'), KEY), 'A1')
})

t.test('whatever formatCursor never made is refused', async t => {
  const cursor = formatCursor('items', 'A1')
  const foreign = [
    '',
    'A1',
    `${cursor}=`,
    ` ${cursor}`,
    `${cursor}!`,
    cursor.slice(0, -1),
    formatCursor('revisions', 'A1'),
    formatCursor('items', 'a1'),
    formatCursor('items', 'A1:A1'),
    Buffer.from([0xff, 0xfe, 0x00]).toString('base64url'),
  ]

  for (const text of foreign)
    t.throws(() => parseCursor('items', text, KEY), { code: 'invalid-cursor', status: 400 })
})

t.test('a page has a next cursor only when a row more than its limit was read', async t => {
  const cursorOf = (row: number) => `after ${row}`

  t.same(cutPage([1, 2, 3], 2, cursorOf), { page: [1, 2], next_cursor: 'after 2' })
  t.same(cutPage([1, 2], 2, cursorOf), { page: [1, 2], next_cursor: null })
  t.same(cutPage([], 2, cursorOf), { page: [], next_cursor: null })
})
