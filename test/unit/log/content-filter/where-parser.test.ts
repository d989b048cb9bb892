import t from 'tap'
import { present } from '../../../../src/log/content-filter/expression.js'
import { dataPath, MAX_STEPS } from '../../../../src/log/content-filter/path.js'
import { parseWhere } from '../../../../src/log/content-filter/where-parser.js'
import { parseKeyPath } from '../../../../src/log/latest.js'
import { Problem } from '../../../../src/problems/problem.js'
import { randomFrom } from '../../../harness/random.js'

const times = (count: number, text: string, between = '') => Array<string>(count).fill(text).join(between)

t.test('a fault is refused with its place and its remedy', async t => {
  const cases: readonly (readonly [where: string, position: number, remedy: RegExp])[] = [
    ['', 1, /path/],
    ['data', 5, /name in the data/],
    ['data.', 6, /name/],
    ['data. a exists', 7, /without a space/],
    ['data["a" exists', 10, /\]/],
    ['data[-1] exists', 6, /index from 0/],
    ['data[1.5] exists', 6, /index from 0/],
    ['data.a', 7, /eq, ne/],
    ['data.a = 1', 8, /words: eq/],
    ['data.a EQ 1', 8, /eq, ne/],
    ['data.a eq', 10, /double quotes/],
    ["data.a eq 'x'", 11, /double quotes/],
    ['data.a eq x', 11, /double quotes/],
    ['data.a eq "x', 11, /does not end/],
    ['data.a eq "\\x"', 11, /JSON/],
    ['data.a eq "\\u0000"', 11, /U\+0000/],
    ['data.a eq "\\ud800"', 11, /surrogates/],
    ['data.a eq 01', 11, /number/],
    ['data.a eq 1e10000', 11, /9999/],
    ['data.a gt true', 11, /a string or a number/],
    ['data.a gt null', 11, /a string or a number/],
    ['data.a starts_with 1', 20, /string/],
    ['data.a in ()', 12, /Expected a string/],
    ['data.a in (1', 13, /\)/],
    ['data.a in (1,)', 14, /Expected a string/],
    ['(data.a exists', 15, /\)/],
    ['data.a exists)', 14, /the end/],
    ['data.a exists data.b exists', 15, /and, or/],
    ['data.a exists && data.b exists', 15, /and, or, not/],
    ['and', 1, /path/],
    ['actor eq "x"', 1, /data\.project, or type/],
    ['type.a eq 1', 5, /eq, ne/],
    ['data.é eq 1', 6, /data\["näme"\]/],
  ]

  const wrong = cases.flatMap(([where, position, remedy]) => {
    const problem = problemOf(where)
    const isRight =
      problem?.status === 400 &&
      problem.code === 'invalid-where' &&
      problem.members.position === position &&
      problem.detail.includes(`character ${position}.`) &&
      remedy.test(problem.detail)
    return isRight ? [] : [`${where}: ${problem?.detail}`]
  })

  t.strictSame(wrong, [])
})

t.test('the path of a key is a path of a condition, with the same names', t => {
  const random = randomFrom(1)
  const name = () =>
    Array.from({ length: 1 + random.integer(6) }, () => 'azAZ059_-'.charAt(random.integer(9))).join('')
  const wrong: string[] = []
  for (let n = 0; n < 1_000; n += 1) {
    const names = Array.from({ length: 1 + random.integer(MAX_STEPS) }, name)
    const key = parseKeyPath(`data.${names.join('.')}`)
    const parsed = parseWhere(`${key} exists`)
    if (parsed.key !== present(dataPath(names)).key) wrong.push(key)
  }

  t.strictSame(wrong, [])
  t.throws(() => parseKeyPath(`data${times(MAX_STEPS + 1, '.a')}`), { code: 'invalid-key' })
  t.end()
})

t.test('a text is taken up to each limit and refused beyond it', async t => {
  const cases: readonly (readonly [taken: string, refused: string])[] = [
    [times(32, 'data.a exists', ' or '), times(33, 'data.a exists', ' or ')],
    [`data.a in (${times(128, '1', ',')})`, `data.a in (${times(129, '1', ',')})`],
    [`data${times(16, '.a')} exists`, `data${times(17, '.a')} exists`],
    [`${times(16, '(')}data.a exists${times(16, ')')}`, `${times(17, '(')}data.a exists${times(17, ')')}`],
    [`${times(16, 'not ')}data.a exists`, `${times(17, 'not ')}data.a exists`],
    [`data.a eq "${'x'.repeat(4_084)}"`, `data.a eq "${'x'.repeat(4_085)}"`],
    ['data.a eq 1e-9999', 'data.a eq 1e-10000'],
    ['data[999999] exists', 'data[1000000] exists'],
  ]

  t.strictSame(
    cases.flatMap(([taken]) => (problemOf(taken) ? [taken] : [])),
    [],
  )
  t.strictSame(
    cases.flatMap(([, refused]) => (problemOf(refused) ? [] : [refused])),
    [],
  )
})

function problemOf(where: string): Problem | undefined {
  try {
    parseWhere(where)
    return undefined
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}
