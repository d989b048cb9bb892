import { isDeepStrictEqual } from 'node:util'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import t from 'tap'
import { encodeMessage, type SseMessage } from '../../../src/sse/frame.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'

const PER_ROUND = 2_000
const seed = seedOfRun(20_261_121)

t.test('the fields stand in one block, data last, and an empty line ends it', async t => {
  const text = encodeMessage({
    data: '{"a":1}',
    event: 'item.made',
    id: '1.abcdef',
    retry: 500,
    comment: 'hm',
  })

  t.equal(text, ': hm\nretry: 500\nid: 1.abcdef\nevent: item.made\ndata: {"a":1}\n\n')
})

t.test('each line of data is a field, whichever way its lines end', async t => {
  t.equal(encodeMessage({ data: 'a\nb' }), 'data: a\ndata: b\n\n')
  t.equal(encodeMessage({ data: 'a\rb' }), 'data: a\ndata: b\n\n')
  t.equal(encodeMessage({ data: 'a\r\nb' }), 'data: a\ndata: b\n\n')
  t.equal(encodeMessage({ data: '\n\r\r\n' }), 'data: \ndata: \ndata: \ndata: \n\n')
})

t.test('data arrives as it was, but for its line ends', async t => {
  const texts = [
    'plain',
    '',
    ' one space before',
    '  two',
    'behind ',
    ':colon',
    'id: 7\n\nevent: forged\ndata: forged\n\n',
    'retry: 1\r\rdata: forged\r\n\r\n',
    '\ufeffa byte order mark, first in the stream',
    '\u0000 \u0085 \u2028 \u2029 are no line ends',
    'Größe – 图号 – 🔩',
  ]

  for (const data of texts) {
    t.strictSame(received(encodeMessage({ data })), [{ id: undefined, event: undefined, data: normal(data) }])
  }
})

t.test('empty data is a message, no data is none', async t => {
  t.strictSame(received(encodeMessage({ event: 'e', data: '' })), [{ id: undefined, event: 'e', data: '' }])
  t.strictSame(received(encodeMessage({ id: '1', event: 'e' })), [])
})

t.test('a block that has only an id moves the cursor, an empty id takes it away', async t => {
  const text = [{ id: '7.abcdef' }, { data: 'a' }, { id: '' }, { data: 'b' }].map(encodeMessage)

  t.strictSame(text, ['id: 7.abcdef\n\n', 'data: a\n\n', 'id: \n\n', 'data: b\n\n'])
})

t.test('an id of 0 is an id', async t => {
  t.equal(received(encodeMessage({ id: '0', data: 'a' }))[0]?.id, '0')
})

t.test('a control character in an id or a name is refused: it would let a forger write fields', async t => {
  const forged = ['a\nid: 9', 'a\r', '\r\n', 'a\u0000b', '\t', '\u001b[2J', 'a\u007f']

  for (const text of forged) {
    t.throws(() => encodeMessage({ id: text }), { name: 'RangeError', message: /'id'/ })
    t.throws(() => encodeMessage({ event: text }), { name: 'RangeError', message: /'event'/ })
  }
})

t.test('retry is digits only', async t => {
  t.equal(encodeMessage({ retry: 0 }), 'retry: 0\n\n')
  t.equal(retries(encodeMessage({ retry: 2_500 }))[0], 2_500)
  for (const retry of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e21]) {
    t.throws(() => encodeMessage({ retry }), { name: 'RangeError', message: /'retry'/ })
  }
})

t.test('a comment dispatches nothing, however it is written', async t => {
  const text = encodeMessage({ comment: 'one\ndata: two\r\rthree' })

  t.equal(text, ': one\n: data: two\n: \n: three\n\n')
  t.strictSame(received(text), [])
  t.equal(encodeMessage({ comment: '' }), ': \n\n')
})

t.test(`random messages arrive as they were, in whatever pieces (SLUICE_SEED=${seed})`, async t => {
  const random = randomFrom(seed)
  const rounds = byNight(1, 5_000)
  let count = 0
  for (let round = 0; round < rounds; round += 1) {
    const messages = Array.from({ length: PER_ROUND }, () => randomMessage(random))

    const found = received(...pieces(messages.map(encodeMessage).join(''), random))

    const sent = messages.map(({ id, event, data = '' }) => ({
      id,
      event: event || undefined,
      data: normal(data),
    }))
    // A comparison by tap takes longer than all else here.
    const at = sent.findIndex((message, at) => !isDeepStrictEqual(found[at], message))
    if (at >= 0) t.strictSame(found[at], sent[at], `message ${at} of round ${round}`)
    if (found.length !== sent.length) t.equal(found.length, sent.length, `round ${round}`)
    count += found.length
  }
  t.equal(count, rounds * PER_ROUND)
})

function randomMessage(random: Random): SseMessage {
  const id = random.pick([undefined, '0', '12.abcdef', 'ü', ' ', 'id: 1'])
  const event = random.pick([undefined, '', 'item.made', 'data', ':', 'é'])
  const parts = [
    '\r',
    '\n',
    '\r\n',
    ':',
    ' ',
    'data',
    'id: 3',
    '\n\n',
    '\ufeff',
    '图',
    '🔩',
    '{"a":1}',
    'x',
  ] as const
  const data = Array.from({ length: random.integer(12) }, () => random.pick(parts)).join('')
  return { data, ...(id !== undefined && { id }), ...(event !== undefined && { event }) }
}

/** Cut anywhere, but not within a character: that is the decoder's business. */
function pieces(text: string, random: Random): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + 1 + random.integer(40), text.length)
    if (isLowSurrogate(text.charCodeAt(end))) end += 1
    found.push(text.slice(at, end))
    at = end
  }
  return found
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** A client joins the lines of data by LF. */
function normal(data: string): string {
  return data.replace(/\r\n|\r/g, '\n')
}

function received(...texts: string[]): EventSourceMessage[] {
  const messages: EventSourceMessage[] = []
  const parser = createParser({ onEvent: message => messages.push(message), onError: t.fail })
  for (const text of texts) parser.feed(text)
  return messages
}

function retries(text: string): number[] {
  const found: number[] = []
  createParser({ onRetry: retry => found.push(retry) }).feed(text)
  return found
}
