import t from 'tap'
import { requireStorable } from '../../../src/items/content.js'
import { MAX_PROPERTIES_BYTES, MAX_PROPERTIES_DEPTH } from '../../../src/items/item.js'

function nested(levels: number): Record<string, unknown> {
  return levels === 1 ? {} : { in: nested(levels - 1) }
}

t.test('text of every script passes, whole surrogate pairs included', async t => {
  t.doesNotThrow(() =>
    requireStorable({ description: 'Prüfmittel 検査 🔧\n\t', properties: { größe: ['ø 5', null, 1] } }),
  )
})

t.test(
  'U+0000 and halves of surrogate pairs are refused wherever they are, and the place is named',
  async t => {
    const cases = [
      { description: 'a\0b' },
      { comment: '\ud83d' },
      { properties: { 'k\0': 1 } },
      { properties: { k: ['x', { y: '\udc00' }] } },
    ]

    for (const given of cases) {
      const refusal = { code: 'invalid-text', status: 400, detail: new RegExp(`'${Object.keys(given)[0]}'`) }
      t.throws(() => requireStorable(given), refusal)
    }
  },
)

t.test('properties may have as many levels as allowed and not one more', async t => {
  t.doesNotThrow(() => requireStorable({ properties: nested(MAX_PROPERTIES_DEPTH) }))
  t.throws(() => requireStorable({ properties: nested(MAX_PROPERTIES_DEPTH + 1) }), {
    code: 'properties-too-deep',
  })
})

t.test('properties nested a hundred thousand deep are refused without exhausting the stack', async t => {
  const properties = JSON.parse(`{"in":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)

  t.throws(() => requireStorable({ properties }), { code: 'properties-too-deep' })
})

t.test('properties may have as many bytes as allowed and not one more', async t => {
  const room = MAX_PROPERTIES_BYTES - '{"k":""}'.length

  t.doesNotThrow(() => requireStorable({ properties: { k: 'x'.repeat(room) } }))
  t.throws(() => requireStorable({ properties: { k: 'x'.repeat(room + 1) } }), {
    code: 'properties-too-large',
  })
  t.throws(() => requireStorable({ properties: { k: 'ü'.repeat(room / 2 + 1) } }), {
    code: 'properties-too-large',
  })
})
