/** Patterns match what a plain, slow definition says, for all paths and patterns of a small alphabet. */
import t from 'tap'
import { parseGlob } from '../../../../src/durable-streams/subscriptions/glob.js'

/** By definition: `*` is one segment, `**` any number of them. */
function matches(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...others] = pattern
  if (first === undefined) return path.length === 0
  if (first === '**') return matches(others, path) || (path.length > 0 && matches(pattern, path.slice(1)))
  return path.length > 0 && (first === '*' || first === path[0]) && matches(others, path.slice(1))
}

function lists(segments: readonly string[], longest: number): string[][] {
  const shorter: string[][] = longest === 1 ? [] : lists(segments, longest - 1)
  const ends = longest === 1 ? [[]] : shorter.filter(list => list.length === longest - 1)
  return [...shorter, ...ends.flatMap(list => segments.map(segment => [...list, segment]))]
}

t.test('expressions and prefixes agree with the definition', async t => {
  const wrong: string[] = []
  for (const pattern of lists(['a', 'b.c', '*', '**'], 4)) {
    const glob = parseGlob(pattern.join('/'))
    if ('fault' in glob) throw new Error(glob.fault)
    const expression = new RegExp(glob.expression)
    for (const path of lists(['a', 'b.c', 'bxc'], 4)) {
      const text = path.join('/')
      const found = text.startsWith(glob.prefix) && expression.test(text)
      if (found !== matches(pattern, path)) wrong.push(`${pattern.join('/')} and ${text}`)
    }
  }

  t.same(wrong, [])
})

t.test('what is no pattern is refused with a sentence', async t => {
  for (const text of [
    '',
    '/',
    'a//b',
    'a/',
    '..',
    'a/./b',
    'a*',
    '***',
    'a b',
    '%',
    'a'.repeat(257),
    Array(17).fill('*').join('/'),
  ]) {
    t.ok('fault' in parseGlob(text), text)
  }
})
