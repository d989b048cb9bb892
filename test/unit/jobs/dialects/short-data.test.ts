import t from 'tap'
import { shortened } from '../../../../src/jobs/dialects/short-data.js'
import { randomFrom } from '../../../harness/random.js'

const MAX = 2_000

function shortOf(data: object): Record<string, unknown> {
  return JSON.parse(shortened(JSON.stringify(data), MAX))
}

t.test('data that is short enough stays as it is, byte for byte', async t => {
  const data = `{ "line": "${'x'.repeat(MAX - 13)}"}`

  t.equal(data.length, MAX)
  t.equal(shortened(data, MAX), data)
  t.equal(shortened('{"n": 12345678901234567890}', MAX), '{"n": 12345678901234567890}')
})

t.test('a long line is cut and marked, and keeps the members beside it', async t => {
  const short = shortOf({ line: '\0'.repeat(9_000), stream: 'stderr', continues: true })

  t.match(short, { line: '\0'.repeat(300), stream: 'stderr', continues: true, truncated: true })
  t.same(Object.keys(short), ['line', 'stream', 'continues', 'truncated'])
})

t.test(
  'the line has precedence over other long members, texts are cut and other values left out',
  async t => {
    const line = 'l'.repeat(600)

    const short = shortOf({
      a: 'a'.repeat(9_000),
      list: Array(9_000).fill(1),
      line,
      z: 'z'.repeat(9_000),
      n: 1,
    })

    t.match(short, { a: /^a+$/, line, n: 1, truncated: true })
    t.same(Object.keys(short), ['a', 'line', 'n', 'truncated'])
  },
)

t.test('whatever is reported, the result fits and is an object with the mark', async t => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 1_000; seed += 1) {
    const random = randomFrom(seed)
    const text = () => random.pick(['x', '\0', '€', '😀', '\ud83d', '"']).repeat(random.integer(3_000))
    const names = ['line', 'stream', '__proto__', 'truncated', '0', text(), `${text()} `]
    const data = JSON.stringify(
      Object.fromEntries(
        names.map(name => [name, random.pick<unknown>([text(), [text()], random.integer(9), null])]),
      ),
    )

    const short = shortened(data, MAX)

    const members: Record<string, unknown> = JSON.parse(short)
    const marked = data === short || members.truncated === true
    const same = Object.entries(members).every(([name, value]) => {
      const before: unknown = JSON.parse(data)[name]
      const cut = typeof before === 'string' && typeof value === 'string' && before.startsWith(value)
      return name === 'truncated' || cut || JSON.stringify(value) === JSON.stringify(before)
    })
    if (Buffer.byteLength(short) > MAX || !marked || !same) wrong.push(`seed ${seed}: ${short}`)
  }

  t.same(wrong, [])
})
