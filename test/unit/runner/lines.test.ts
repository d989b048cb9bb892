import t from 'tap'
import { type Line, LineSplitter, MAX_JSON_BYTES, MAX_LINE_BYTES } from '../../../src/runner/lines.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'

const TEXTS = byNight(300, 100_000)
const first = seedOfRun(1)

t.test('a line ends with LF, CR LF or CR; the last one may have no end', async t => {
  t.strictSame(textsOf('a\nb\r\nc\rd'), ['a', 'b', 'c', 'd'])
  t.strictSame(textsOf('a\n\nb\r\n\r\n'), ['a', '', 'b', ''])
  t.strictSame(textsOf(''), [])
})

t.test('several CRs are one line end, and none at the beginning of a line', async t => {
  t.strictSame(textsOf('\r 10 %\r 20 %\r\r 30 %\r\ndone\r\r\n'), [' 10 %', ' 20 %', ' 30 %', 'done'])
  t.strictSame(textsOf('\r\r'), [])
})

t.test('a line is emitted as soon as it has ended, also at a CR that an LF may follow', async t => {
  const splitter = new LineSplitter()

  t.strictSame(texts(splitter.push(Buffer.from('50 %\r'))), ['50 %'])
  t.strictSame(texts(splitter.push(Buffer.from('\n'))), [])
  t.strictSame(texts(splitter.push(Buffer.from('\n'))), [''])
})

t.test('a character that is split between chunks stays whole', async t => {
  const splitter = new LineSplitter()
  const bytes = Buffer.from('prix : 3 €\n')

  const lines = [...bytes].flatMap(byte => splitter.push(Buffer.of(byte)))

  t.strictSame(texts(lines), ['prix : 3 €'])
})

t.test('invalid UTF-8 is replaced and the line is marked; colours and NUL stay', async t => {
  const splitter = new LineSplitter()

  const lines = splitter.push(Buffer.from('\x1b[31mred\0 \xff\xfe \xe2\x82\n', 'latin1'))
  const own = splitter.push(Buffer.from('\ufffd\n'))

  t.strictSame(lines, [{ text: '\x1b[31mred\0 \ufffd\ufffd \ufffd', continues: false, replaced: true }])
  t.strictSame(own, [{ text: '\ufffd', continues: false }], 'what the command wrote itself')
})

t.test('a line of the largest length stays whole; a longer one is emitted in marked parts', async t => {
  const whole = 'x'.repeat(MAX_LINE_BYTES)

  t.strictSame(linesOf(`${whole}\n`), [{ text: whole, continues: false }])
  t.strictSame(linesOf(`${whole}y\nz`), [
    { text: whole, continues: true },
    { text: 'y', continues: false },
    { text: 'z', continues: false },
  ])
})

t.test('a long line is not cut within a character', async t => {
  const line = `${'x'.repeat(MAX_LINE_BYTES - 1)}😀 and so on`

  const [first, second] = linesOf(line)

  t.equal(first?.text, 'x'.repeat(MAX_LINE_BYTES - 1))
  t.equal(second?.text, '😀 and so on')
})

t.test('a line that is long in JSON is emitted in marked parts, each within the limit', async t => {
  const line = '\x1b\0\0\0€'.repeat(2_340)

  const lines = linesOf(`${line}\n${line}`)

  const sizes = lines.map(({ text }) => Buffer.byteLength(JSON.stringify(text)) - 2)
  t.ok(Buffer.byteLength(line) <= MAX_LINE_BYTES)
  t.ok(Math.max(...sizes) <= MAX_JSON_BYTES && Math.max(...sizes) > MAX_JSON_BYTES - 12, `${sizes}`)
  t.same(joined(lines), [line, line])
  t.equal(lines.length, 4)
})

t.test('only the parts of a line in which bytes were replaced are marked', async t => {
  const lines = linesOf(Buffer.concat([Buffer.alloc(MAX_LINE_BYTES - 1), Buffer.of(0xff)]))

  t.same(
    lines.map(({ continues, replaced }) => [continues, replaced]),
    [
      [true, undefined],
      [false, true],
    ],
  )
})

t.test('a line without an end is not held back beyond its first part', async t => {
  const splitter = new LineSplitter()

  const lines = splitter.push(Buffer.alloc(MAX_LINE_BYTES + 1, 'x'))

  t.strictSame(lines, [{ text: 'x'.repeat(MAX_LINE_BYTES), continues: true }])
})

t.test(`the lines do not depend on where chunks begin and end (SLUICE_SEED=${first})`, async t => {
  for (let seed = first; seed < first + TEXTS; seed += 1) {
    const random = randomFrom(seed)
    const bytes = randomOutput(random)
    const splitter = new LineSplitter()

    const lines = [...chunksOf(bytes, random).flatMap(chunk => splitter.push(chunk)), ...splitter.end()]

    const parts = lines.filter(
      ({ text }) =>
        Buffer.byteLength(JSON.stringify(text)) - 2 > Math.max(MAX_JSON_BYTES, 3 * MAX_LINE_BYTES),
    )
    if (!same(joined(lines), expectedOf(bytes)) || parts.length > 0) t.fail(`seed ${seed}`)
  }
  t.pass(`${TEXTS} texts`)
})

function linesOf(text: string | Buffer): Line[] {
  const splitter = new LineSplitter()
  return [...splitter.push(Buffer.from(text)), ...splitter.end()]
}

function textsOf(text: string): string[] {
  return texts(linesOf(text))
}

function texts(lines: readonly Line[]): string[] {
  return lines.map(({ text }) => text)
}

/** The lines with their parts put together again. */
function joined(lines: readonly Line[]): string[] {
  const whole: string[] = []
  let open = false
  for (const { text, continues } of lines) {
    if (open) whole.push(`${whole.pop()}${text}`)
    else whole.push(text)
    open = continues
  }
  return whole
}

/** What the documentation says, as one expression on all bytes at once (as Latin-1, where a character is a byte). */
function expectedOf(bytes: Buffer): string[] {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return [...bytes.toString('latin1').matchAll(/([^\r\n]*)(\r*\n|\r+|$)/g)]
    .filter(([, line, end = '']) => line !== '' || end.includes('\n'))
    .map(([, line = '']) => decoder.decode(Buffer.from(line, 'latin1')))
}

/** Line ends, characters of each length, broken ones, and now and then a line that is too long. */
function randomOutput(random: Random): Buffer {
  const pieces = ['a', 'bc', '\n', '\n', '\r', '\r\n', 'é', '€', '😀', '\ufeff', '\0'].map(text =>
    Buffer.from(text),
  )
  const broken = [
    [0xff],
    [0xe2, 0x82],
    [0xf0, 0x9f],
    [0x80, 0x80, 0x80, 0x80, 0x80],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
  ]
  const long = ['x', '€', '😀', '\0', '\x1b"', '\x80', '\xf0\x80'].map(text =>
    Buffer.from(text, text < '\xff' ? 'latin1' : 'utf8'),
  )
  return Buffer.concat(
    Array.from({ length: random.integer(60) }, () => {
      const what = random.integer(40)
      if (what === 0) {
        const unit = long[random.integer(long.length)] ?? Buffer.alloc(0)
        return Buffer.alloc(MAX_LINE_BYTES - 8 + random.integer(MAX_LINE_BYTES), unit)
      }
      if (what < 8) return Buffer.from(broken[random.integer(broken.length)] ?? [])
      return pieces[random.integer(pieces.length)] ?? Buffer.alloc(0)
    }),
  )
}

function chunksOf(bytes: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = []
  const longest = random.pick([1, 3, 100, 20_000])
  if (longest === 1 && bytes.length > 5_000) return [bytes]
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.integer(longest)
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}

function same(found: readonly string[], wanted: readonly string[]): boolean {
  return found.length === wanted.length && found.every((line, n) => line === wanted[n])
}
