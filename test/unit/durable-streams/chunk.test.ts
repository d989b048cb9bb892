/** Bodies as data of events, and back: nothing of them changes, whatever their size. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { chunksOf, MAX_MESSAGE_BYTES } from '../../../src/durable-streams/chunk.js'
import { MAX_DATA_BYTES } from '../../../src/log/event.js'

const back = (chunks: readonly string[]) =>
  Buffer.concat(
    chunks.map(chunk => {
      const { text, base64 } = JSON.parse(chunk)
      return text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text)
    }),
  )

t.test('the elements of a JSON array keep their texts', async t => {
  const chunks = (json: string) => chunksOf(Buffer.from(json), 'application/json; charset=utf-8')

  t.strictSame(chunks(' [1.50, {"b" : [2,3],\n"a":"],\\"["},"x\\\\",[ ]] '), [
    '{"json":1.50}',
    '{"json":{"b" : [2,3], "a":"],\\"["}}',
    '{"json":"x\\\\"}',
    '{"json":[ ]}',
  ])
  t.strictSame(chunks('12345678901234567890.10'), ['{"json":12345678901234567890.10}'])
  t.strictSame(chunks('[]'), [])
  t.strictSame(chunks('[[1,2]]'), ['{"json":[1,2]}'])
})

t.test('JSON that an event cannot hold is refused', async t => {
  const refuse = (json: string | Buffer, code: string) =>
    t.throws(() => chunksOf(Buffer.from(json), 'application/json'), { code })

  refuse('{"a":', 'invalid-json')
  refuse(Buffer.from([0x22, 0xff, 0x22]), 'invalid-utf8')
  refuse(`[${'['.repeat(64)}${']'.repeat(64)}]`, 'data-too-deep')
  refuse(`"${'x'.repeat(MAX_MESSAGE_BYTES - 1)}"`, 'event-too-large')
  t.equal(chunksOf(Buffer.from(`"${'x'.repeat(MAX_MESSAGE_BYTES - 2)}"`), 'application/json').length, 1)
  t.equal(chunksOf(Buffer.from(`${'['.repeat(64)}${']'.repeat(64)}`), 'application/json').length, 1)
})

t.test('a body of any size and bytes becomes chunks that fit into an event, and comes back', async t => {
  const bodies = {
    text: Buffer.from('é😀"\\\n\u0001'.repeat(60_000)),
    nul: Buffer.from('a\0b'),
    noUtf8: Buffer.from([0x61, 0xff, 0xc3]),
    random: randomBytes(700_001),
  }
  for (const type of ['text/plain', 'application/x-ndjson', 'application/octet-stream'])
    for (const [name, body] of Object.entries(bodies)) {
      const chunks = chunksOf(body, type)
      t.ok(
        chunks.every(chunk => Buffer.byteLength(chunk) <= MAX_DATA_BYTES),
        `${name} as ${type}`,
      )
      t.ok(back(chunks).equals(body), `${name} as ${type}`)
    }
  t.strictSame(chunksOf(Buffer.from('Hello'), 'TEXT/plain'), ['{"text":"Hello"}'])
  t.strictSame(chunksOf(Buffer.from('Hello'), 'image/png'), ['{"base64":"SGVsbG8="}'])
})
