import t from 'tap'
import { MAX_DATA_BYTES, MAX_DATA_DEPTH } from '../../../src/log/event.js'
import { RESERVED_TYPES } from '../../../src/log/event-catalogue.js'
import { dataOf } from '../../../src/log/new-event.js'

const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`)

t.test('a type that the wire itself uses is refused', async t => {
  for (const type of RESERVED_TYPES) {
    t.throws(() => dataOf({ type, data: {} }), { status: 400, code: 'reserved-type' }, type)
  }
})

t.test('data may have 256 KiB as JSON, counted in bytes', async t => {
  const room = MAX_DATA_BYTES - '{"a":""}'.length

  t.equal(dataOf({ type: 'a', data: { a: 'x'.repeat(room) } }).length, MAX_DATA_BYTES)
  t.throws(() => dataOf({ type: 'a', data: { a: 'x'.repeat(room + 1) } }), {
    status: 413,
    code: 'event-too-large',
  })
  t.throws(() => dataOf({ type: 'a', data: { a: 'é'.repeat(room / 2 + 1) } }), { code: 'event-too-large' })
})

t.test('data may have 64 levels', async t => {
  t.doesNotThrow(() => dataOf({ type: 'a', data: nested(MAX_DATA_DEPTH) }))
  t.throws(() => dataOf({ type: 'a', data: nested(MAX_DATA_DEPTH + 1) }), {
    status: 400,
    code: 'data-too-deep',
  })
})

t.test('data deep enough to overflow the stack of a recursive check is refused like any other', async t => {
  let deep: unknown = {}
  for (let level = 0; level < 100_000; level += 1) deep = [deep]

  t.throws(() => dataOf({ type: 'a', data: { deep } }), { code: 'data-too-deep' })
})

t.test('a member named __proto__ is data like any other', async t => {
  t.equal(
    dataOf({ type: 'a', data: JSON.parse('{"__proto__":{"admin":true}}') }),
    '{"__proto__":{"admin":true}}',
  )
})
