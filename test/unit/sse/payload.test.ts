import t from 'tap'
import { Payload } from '../../../src/sse/payload.js'

t.test('a chunk is the length in hexadecimal, the bytes, and a line end after each', async t => {
  const payload = Payload.of([Buffer.from('data: ü\n'), Buffer.from('\n')])

  t.equal(payload.chunk.toString(), 'a\r\ndata: ü\n\n\r\n')
  t.equal(payload.bytes.toString(), 'data: ü\n\n')
})

t.test('the length counts bytes, of any number of digits', async t => {
  for (const length of [1, 15, 16, 255, 256, 4_095, 65_536, 300_000]) {
    const { chunk, bytes } = Payload.of([Buffer.alloc(length, 'x')])

    t.equal(bytes.length, length)
    t.equal(chunk.length, bytes.length + length.toString(16).length + 4)
    t.equal(chunk.subarray(0, chunk.indexOf('\r')).toString(), length.toString(16))
  }
})

t.test('the plain form is a view into the chunk, not a second copy', async t => {
  const { chunk, bytes } = Payload.text('data: a\n\n')

  t.equal(bytes.buffer, chunk.buffer)
  t.equal(bytes.byteOffset, chunk.byteOffset + 3)
})

t.test(
  'the end of a payload is a view into its bytes, and with its start the chunk that they would be alone',
  async t => {
    const whole = Payload.of(['data: a\n\n', `data: ${'b'.repeat(20)}\n\n`].map(text => Buffer.from(text)))
    const alone = Payload.text(`data: ${'b'.repeat(20)}\n\n`)

    const ending = whole.ending(alone.bytes.length, 1)

    t.equal(ending.bytes.buffer, whole.bytes.buffer)
    t.equal(`${ending.bytes}`, `${alone.bytes}`)
    t.equal(`${ending.chunkStart}${ending.chunk}`, `${alone.chunk}`)
    t.equal(ending.parts, 1)
  },
)

t.test('an empty payload is refused: an empty chunk would end the response', async t => {
  t.throws(() => Payload.text(''), { name: 'RangeError' })
  t.throws(() => Payload.of([]), { name: 'RangeError' })
  t.throws(() => Payload.of([Buffer.alloc(0), Buffer.alloc(0)]), { name: 'RangeError' })
})
