import t from 'tap'
import { endWithin } from '../../../src/bytes/json-text.js'
import { randomFrom } from '../../harness/random.js'

const UNITS = [
  'a',
  '"',
  '\\',
  '\n',
  '\0',
  '\x1b',
  '\x7f',
  'é',
  '€',
  '\u2028',
  '\ufffd',
  '😀',
  '\ud83d',
  '\ude00',
]

t.test('the part is the longest one that fits into the bytes, and tears no character', async t => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = randomFrom(seed)
    const text = Array.from({ length: random.integer(40) }, () => random.pick(['a', ...UNITS])).join('')
    const from = random.integer(3) === 0 ? 0 : borderBefore(text, random.integer(text.length + 1))
    const bytes = random.integer(80)

    const end = endWithin(text, from, bytes)

    const next = end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1)
    const fits = sizeOf(text.slice(from, end)) <= bytes
    const longest = end === text.length || sizeOf(text.slice(from, next)) > bytes
    if (!fits || !longest || borderBefore(text, end) !== end) wrong.push(`seed ${seed}`)
  }

  t.same(wrong, [])
})

/** What JSON.stringify makes of it. */
function sizeOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}

/** `at`, or the start of the surrogate pair that a cut there would tear. */
function borderBefore(text: string, at: number): number {
  return at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at
}
