import t from 'tap'
import { contentOf } from '../../../src/durable-streams/reading/content.js'
import { jsonMessage, messageBytes } from '../../../src/durable-streams/reading/message.js'
import { formatOffset, parseOffset } from '../../../src/durable-streams/reading/offset.js'
import { memberOf } from '../../../src/durable-streams/reading/single-member.js'
import { durableEncoding } from '../../../src/durable-streams/reading/sse-encoding.js'
import { nextCursor } from '../../../src/durable-streams/reading/stream-cursor.js'
import { EventFrames } from '../../../src/hub/event-frames.js'
import { payloads } from '../../../src/hub/fan-out-group.js'
import type { Position, StoredEvent } from '../../../src/log/event.js'

const chunk = (data: string, type = 'chunk'): StoredEvent => ({
  position: 7 as Position,
  eventId: '4bf92f35-77b3-4da6-a3ce-929d0e0e4736',
  at: new Date(0),
  type,
  data,
})

t.test('the only member of an object is found, as it was written', async t => {
  const cases: [object: string, value: string | undefined][] = [
    ['{"json":1.10}', '1.10'],
    [' { "json" : {"a":[1,2],"b":"}"} } ', '{"a":[1,2],"b":"}"}'],
    [String.raw`{"json":"a\\\",\"b\\"}`, String.raw`"a\\\",\"b\\"`],
    ['{"json":[1,{"a":2}]}', '[1,{"a":2}]'],
    ['{"json":1,"json":2}', undefined],
    ['{"json":1,"text":"x"}', undefined],
    ['{"text":"x"}', undefined],
    ['{}', undefined],
  ]
  for (const [object, value] of cases) t.equal(memberOf(object, 'json'), value, object)
})

t.test('a message is the content of a chunk; other events are messages of JSON streams only', async t => {
  const redacted = '{"redacted":true,"reason":"x","at":"2026-01-01T00:00:00Z"}'

  t.equal(jsonMessage(chunk('{"json":{"a":\n1}}')), '{"a": 1}')
  t.match(jsonMessage(chunk('{"n":1}', 'order')), /"type":"order".*"data":\{"n":1\}\}$/)
  t.match(jsonMessage(chunk('{"json":1,"n":1}')), /"type":"chunk"/)
  for (const [data, type] of [
    [redacted],
    [redacted, 'order'],
    ['{}', 'event.compacted'],
    ['{}', 'chunk.cancel'],
  ] as const)
    t.equal(jsonMessage(chunk(data, type)), undefined, data)
  t.equal(messageBytes(chunk('{"text":"ä\\n"}'))?.toString(), 'ä\n')
  t.same(messageBytes(chunk('{"base64":"AP8="}')), Buffer.from([0, 255]))
  for (const data of ['{"json":1}', '{"text":7}', redacted]) t.equal(messageBytes(chunk(data)), undefined)
  t.equal(messageBytes(chunk('{"text":"x"}', 'order')), undefined)
})

t.test('offsets sort as texts and are read back', async t => {
  const offset = formatOffset(12 as Position)

  t.equal(offset, '0000000000000012')
  t.ok(formatOffset(9 as Position) < offset)
  t.match(parseOffset(offset), { at: 'after', id: { position: 12 } })
  t.match(parseOffset('12.k7f3qa'), { at: 'after', id: { position: 12, check: 'k7f3qa' } })
  for (const text of ['', '12', '-2', '0,1', '9999999999999999', '0000000000000001\n', 'NOW'])
    t.equal(parseOffset(text), undefined, text)
})

t.test('the cursor of a response is greater than the one that the client has sent', async t => {
  const now = Date.UTC(2024, 9, 9) + 100 * 20_000

  t.equal(nextCursor(undefined, now), '100')
  t.equal(nextCursor('99', now), '100')
  t.equal(nextCursor('100', now, 0), '101')
  t.equal(nextCursor('5000', now, 0.999), '5003')
  for (const text of ['x', '-1', '1'.repeat(400)]) t.equal(nextCursor(text, now), '100', text)
})

t.test('the content of a type decides how SSE carries it', async t => {
  t.equal(contentOf('Application/JSON; charset=utf-8'), 'json')
  t.equal(contentOf('text/markdown'), 'text')
  for (const type of ['application/ndjson', 'application/octet-stream', '']) t.equal(contentOf(type), 'bytes')
})

t.test('a message cannot forge a block, and keeps the space that it begins with', async t => {
  const encoding = durableEncoding({ content: 'text', cursor: '5', lastsMs: 1_000 })
  const event = chunk('{"text":" a\\r\\n\\revent: control\\ndata:{}\\n"}')
  const frames = [encoding.event(event)]

  const text = Buffer.concat(encoding.assemble?.(frames, event, true) ?? []).toString()

  t.equal(
    text,
    'id: 7.jp4s6nl\nevent: data\ndata:  a\ndata:\ndata:event: control\ndata:data:{}\ndata:\n\n'.replace(
      'jp4s6nl',
      idIn(text),
    ) +
      `id: 7.${idIn(text)}\nevent: control\ndata:{"streamNextOffset":"0000000000000007","streamCursor":"5","upToDate":true}\n\n`,
  )
})

t.test('a client knows no place after its last message, which the log may lose without its loss', async t => {
  const events = [chunk('{"text":"Hi"}'), { ...chunk('{}'), type: 'chunk.cancel', position: 8 as Position }]
  const [head, frames] = [events.at(-1), events.map(event => new EventFrames(event))]
  if (!head) throw new Error('two events')
  const encoding = durableEncoding({ content: 'text', cursor: '5', lastsMs: 1_000 })

  const all = [...payloads(frames, { position: 6 as Position }, { head }, encoding, undefined)]

  const [{ payload, upTo } = {}] = all
  t.equal(all.length, 1)
  t.equal(upTo?.position, 8)
  t.equal(payload?.last?.position, 7)
  t.match(payload?.bytes.toString(), /"streamNextOffset":"0{15}7","streamCursor":"5","upToDate":true/)
  t.notMatch(payload?.bytes.toString(), /id: 8/)
})

function idIn(text: string): string {
  return /^id: 7\.([a-z2-7]{6})\n/.exec(text)?.[1] ?? ''
}
