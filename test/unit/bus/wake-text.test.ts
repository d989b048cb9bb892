import t from 'tap'
import { formatWakes, parseWake } from '../../../src/bus/wake-text.js'
import type { StreamId } from '../../../src/log/event.js'

const SENDER = '3f2b8c1e-0000-4000-8000-000000000000'
const streams = (...ids: number[]) => ids as StreamId[]

t.test('a formatted wake is parsed back', async t => {
  const ids = streams(1, 2, Number.MAX_SAFE_INTEGER)

  const payloads = formatWakes(SENDER, ids)

  t.strictSame(payloads, [`${SENDER}:1,2,9007199254740991`])
  t.strictSame(payloads.map(parseWake), [{ sender: SENDER, streams: ids }])
})

t.test('no streams make no payload', async t => {
  t.strictSame(formatWakes(SENDER, []), [])
})

t.test('many streams make several payloads that NOTIFY accepts, and none is lost', async t => {
  const ids = Array.from({ length: 5_000 }, (_, index) => Number.MAX_SAFE_INTEGER - index)

  const payloads = formatWakes(SENDER, streams(...ids))

  t.ok(payloads.length > 10)
  t.ok(payloads.every(payload => Buffer.byteLength(payload) < 8_000))
  t.strictSame(
    payloads.flatMap(payload => parseWake(payload)?.streams ?? []),
    ids,
  )
})

t.test('a wake from SQL has no sender, a canary no streams', async t => {
  t.strictSame(parseWake(':7,8'), { sender: '', streams: [7, 8] })
  t.strictSame(parseWake(`${SENDER}:`), { sender: SENDER, streams: [] })
})

t.test('a text that is not a wake is not parsed', async t => {
  const foreign = [
    undefined,
    null,
    7,
    {},
    '',
    'hello',
    '{"id":1}',
    ':-1',
    ':1.5',
    ':1,',
    ':,1',
    ':1;2',
    ':0x10',
    ':1e3',
    ': 1',
    ':1\n',
    `${'x'.repeat(65)}:1`,
    "x'; drop table sluice.events; --:1",
    `:${'9'.repeat(7_998)}`,
    'x'.repeat(8_000),
  ]

  for (const payload of foreign) t.equal(parseWake(payload), undefined, JSON.stringify(payload)?.slice(0, 40))
  t.strictSame(parseWake(':9999999999999999,1'), { sender: '', streams: [1] }, 'no number loses digits')
})

t.test('a hostile payload of the greatest length costs next to nothing', async t => {
  const hostile = [`:${'1,'.repeat(3_999)}`, `:${'1,'.repeat(3_998)}x`, '-'.repeat(7_999)]

  for (const payload of hostile) t.equal(parseWake(payload), undefined)
})
