import t from 'tap'
import { TypeFilter } from '../../../src/log/type-filter.js'

t.test('an exact name lets through that type and no other', async t => {
  const filter = TypeFilter.parse('item.created')

  t.ok(filter.matches('item.created'))
  t.notOk(filter.matches('item.created.twice'))
  t.notOk(filter.matches('item'))
})

t.test('a name that ends in an asterisk lets through whatever begins like it', async t => {
  const filter = TypeFilter.parse('item.*,revision.created')

  for (const type of ['item.created', 'item.', 'revision.created']) t.ok(filter.matches(type), type)
  for (const type of ['item', 'items.created', 'revision.deleted']) t.notOk(filter.matches(type), type)
})

t.test('an asterisk alone lets everything through', async t => {
  t.ok(TypeFilter.parse('*').matches('anything'))
  t.equal(TypeFilter.parse('a.b,*,c*').key, '*')
})

t.test('characters that patterns use elsewhere mean themselves', async t => {
  const filter = TypeFilter.parse('item_created,a.b*')

  t.notOk(filter.matches('itemXcreated'))
  t.notOk(filter.matches('aXb'))
})

t.test('filters that let the same types through have one key', async t => {
  const key = TypeFilter.parse('item.*,revision.created').key

  for (const same of [
    'revision.created,item.*',
    'item.*,revision.created,revision.created',
    'item.created,revision.created,item.*',
    'item.*,item.cr*,revision.created',
  ]) {
    t.equal(TypeFilter.parse(same).key, key, same)
  }
  t.not(TypeFilter.parse('item.,revision.created').key, key)
})

t.test('an invalid list of types is refused with its wrong term', async t => {
  const wrong = [
    '',
    ',',
    'item.created,',
    ' item',
    '.*',
    '1a',
    'a b',
    'a**',
    'a*b',
    'a%',
    '(a|b)',
    'a\nb',
    'é',
  ]

  for (const text of [...wrong, `${'a'.repeat(129)}`, `${'a'.repeat(129)}*`]) {
    t.throws(() => TypeFilter.parse(text), { status: 400, code: 'invalid-types' }, JSON.stringify(text))
  }
})

t.test('a list of more than 32 terms is refused', async t => {
  const terms = (count: number) => Array.from({ length: count }, (_, index) => `a${index}`).join(',')

  t.doesNotThrow(() => TypeFilter.parse(terms(32)))
  t.throws(() => TypeFilter.parse(terms(33)), { code: 'invalid-types' })
  t.throws(() => TypeFilter.parse(','.repeat(1_000_000)), { code: 'invalid-types' })
})

t.test('two filters together select the types that both select', async t => {
  const terms = ['*', 'a*', 'ab*', 'abc', 'ab', 'a', 'b*', 'b', 'ab*,b', 'a,b*', 'abc,b*']
  const types = ['a', 'ab', 'abc', 'abd', 'b', 'bc', 'c']
  const wrong = terms.flatMap(one =>
    terms.flatMap(other => {
      const [left, right] = [TypeFilter.parse(one), TypeFilter.parse(other)]
      const both = left.and(right)
      const agree = types.every(type => both.matches(type) === (left.matches(type) && right.matches(type)))
      return agree && both.key === right.and(left).key ? [] : [`${one} and ${other}: ${both.key}`]
    }),
  )

  t.strictSame(wrong, [])
})
