import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'

interface Difference {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}
const { differences } = await importConsole<{
  differences(before: unknown, after: unknown): Difference[]
}>('pages/items/difference.ts')

const paths = (before: unknown, after: unknown) => differences(before, after).map(({ path }) => path)

t.test('changed, new and removed values are named by their paths', async t => {
  const before = { size: { width: 1, height: 2 }, tags: ['a', 'b'], gone: null }
  const after = { size: { width: 1, height: 3 }, tags: ['a', 'c', 'd'], added: true }

  t.strictSame(differences(before, after), [
    { path: 'size.height', before: 2, after: 3 },
    { path: 'tags[1]', before: 'b', after: 'c' },
    { path: 'tags[2]', before: undefined, after: 'd' },
    { path: 'gone', before: null, after: undefined },
    { path: 'added', before: undefined, after: true },
  ])
})

t.test('a value of another kind is a change of the whole value', async t => {
  t.strictSame(paths({ a: { b: 1 } }, { a: [1] }), ['a'])
  t.strictSame(paths({ a: [] }, { a: {} }), ['a'])
})

t.test('names that are no identifiers are quoted, and inherited ones do not count', async t => {
  const after = JSON.parse('{"a b":1,"__proto__":2,"constructor":3,"":4}')

  t.ok(differences({}, after).every(({ before }) => before === undefined))
  t.strictSame(paths({}, after), ['["a b"]', '__proto__', 'constructor', '[""]'])
})

t.test('equal values are no difference', async t => {
  t.strictSame(paths({ a: [1, { b: null }] }, { a: [1, { b: null }] }), [])
})
