import t from 'tap'
import { NamePatterns } from '../../../src/log/name-patterns.js'

const SETS = [[], ['*'], ['a'], ['a*'], ['a/*'], ['a/b'], ['a/b*', 'a/b/c'], ['a/b/*', 'x'], ['x', 'y', 'a']]
const NAMES = ['a', 'a/', 'a/b', 'a/b/', 'a/b/c', 'a/c', 'ab', 'x', 'xy', 'y', '*']

t.test('a set matches its names and what begins with its prefixes, and nothing else', async t => {
  const set = NamePatterns.of(['orders/*', 'user.1', 'user.1', 'orders/7*', 'order'])

  t.equal(set.key, 'order,user.1,orders/*')
  const matched = ['orders/', 'orders/7', 'user.1', 'order', 'orders', 'user.12', 'userx1', 'x'].filter(
    name => set.matches(name),
  )
  t.strictSame(matched, ['orders/', 'orders/7', 'user.1', 'order'])
  t.ok(NamePatterns.of(['*']).matchesAll)
  t.equal(NamePatterns.of([]).key, '-')
})

t.test('the intersection matches exactly the names that both match', async t => {
  const wrong = pairs().flatMap(([one, other]) =>
    NAMES.filter(name => one.and(other).matches(name) !== (one.matches(name) && other.matches(name))).map(
      name => `${one.key} and ${other.key}: ${name}`,
    ),
  )
  const unequal = pairs().filter(([one, other]) => one.and(other).key !== other.and(one).key)

  t.strictSame(wrong, [])
  t.strictSame(unequal, [])
})

t.test('a set is within another one that matches all of its names', async t => {
  const wrong = pairs()
    .filter(([one, other]) => one.isWithin(other) !== (one.and(other).key === one.key))
    .map(([one, other]) => `${one.key} within ${other.key}`)

  t.strictSame(wrong, [])
})

function pairs(): [NamePatterns, NamePatterns][] {
  const sets = SETS.map(terms => NamePatterns.of(terms))
  return sets.flatMap(one => sets.map((other): [NamePatterns, NamePatterns] => [one, other]))
}
