/** Reading a log on after a break, against every place at which a connection can break. */
import t from 'tap'
import { LogPlace } from '../../../../src/runner/kubernetes/log-place.js'
import { randomFrom } from '../../../harness/random.js'

const NOON = Date.parse('2026-11-26T12:00:00Z')

interface Line {
  /** Milliseconds after noon. */
  readonly at: number
  readonly text: string
}

/** As the kubelet answers: the lines since the second of the place. */
function served(lines: readonly Line[], since: string | undefined): Buffer {
  const from = since === undefined ? 0 : Date.parse(since) - NOON
  return Buffer.concat(
    lines
      .filter(({ at }) => at >= from)
      .map(({ at, text }) =>
        Buffer.from(`${new Date(NOON + at).toISOString().replace('Z', '123456Z')} ${text}`),
      ),
  )
}

function read(place: LogPlace, bytes: Buffer): string {
  place.begin()
  return Buffer.concat(place.push(bytes)).toString()
}

t.test('a log that is cut anywhere, again and again, is passed on whole and once', async t => {
  const random = randomFrom(7)
  const wrong: unknown[] = []
  for (let round = 0; round < 300; round += 1) {
    let at = 0
    const lines = Array.from({ length: 12 }, (_, index) => {
      // Many lines have the same time, and many are in the same second.
      at += random.pick([0, 0, 1, 400, 1_000])
      return { at, text: `${random.pick(['', 'x', `line ${index}`, 'é\r', '2026-11-26T12:00:00Z '])}\n` }
    })
    const place = new LogPlace()
    let output = ''
    let written = 0
    for (let read = 0; read < 40; read += 1) {
      if (read > 8) written = lines.length
      else written = Math.max(written, random.integer(lines.length + 1))
      const bytes = served(lines.slice(0, written), place.since)
      const cut = read === 39 ? bytes.length : random.integer(bytes.length + 1)
      place.begin()
      for (let from = 0; from < cut; ) {
        const to = Math.min(cut, from + 1 + random.integer(20))
        output += Buffer.concat(place.push(bytes.subarray(from, to))).toString('latin1')
        from = to
      }
      if (place.isTorn) wrong.push({ round, read, torn: true })
    }
    const whole = Buffer.from(lines.map(({ text }) => text).join('')).toString('latin1')
    if (output !== whole) wrong.push({ round, output, whole })
  }

  t.strictSame(wrong, [])
})

t.test('a line of many parts continues at the byte at which it was cut', async t => {
  const place = new LogPlace()
  const line = [{ at: 5_000, text: `${'a'.repeat(10_000)}end\n` }]

  const first = read(place, served(line, undefined).subarray(0, 4_000))
  t.equal(place.since, '2026-11-26T12:00:05.000Z')
  // The end of an older line, whose beginning is left out and which so has no time.
  const second = read(place, Buffer.concat([Buffer.from('rest of another\n'), served(line, place.since)]))

  t.equal(first + second, line[0]?.text)
})

t.test('when the node has begun another file of the log, the rest is passed on with a notice', async t => {
  const place = new LogPlace()
  const lines = [
    { at: 100, text: 'one\n' },
    { at: 200, text: 'two\n' },
    { at: 300, text: 'three\n' },
  ]
  read(place, served(lines.slice(0, 1), undefined))

  t.equal(read(place, served(lines.slice(2), place.since)), 'three\n')
  t.ok(place.isTorn)
  t.equal(read(place, served(lines.slice(2), place.since)), '')
  t.notOk(place.isTorn)
})

t.test('until the place is reached, a read has brought nothing', async t => {
  const place = new LogPlace()
  const lines = [
    { at: 100, text: 'one\n' },
    { at: 200, text: 'two\n' },
  ]
  read(place, served(lines, undefined))

  const bytes = served(lines, place.since)
  place.begin()
  t.strictSame(place.push(bytes.subarray(0, 40)), [])
  t.ok(place.isSeeking)
  t.strictSame(place.push(bytes.subarray(40)), [])
  t.notOk(place.isSeeking)
})

t.test('a read that ends before the place has not reached it, not even within its line', async t => {
  const bytes = served(
    [
      { at: 0, text: 'one\n' },
      { at: 1, text: 'x'.repeat(50) },
    ],
    undefined,
  )
  const place = new LogPlace()
  read(place, bytes)

  const complete = Array.from({ length: bytes.length + 1 }, (_, cut) => cut).filter(cut => {
    read(place, bytes.subarray(0, cut))
    return !place.isSeeking
  })

  t.strictSame(complete, [bytes.length])
})
