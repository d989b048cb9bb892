import t from 'tap'
import { fromCloudEvent } from '../../../src/log/cloudevents.js'

const valid = { specversion: '1.0', id: '1', source: '/shop', type: 'item.created', data: { a: 1 } }

t.test('type and data become the event, the other attributes are left behind', async t => {
  const { event } = fromCloudEvent({
    ...valid,
    time: '2026-01-01T00:00:00Z',
    subject: 'x',
    datacontenttype: 'application/json; charset=utf-8',
    comexampleextension: 5,
  })

  t.strictSame(event, { type: 'item.created', data: { a: 1 } })
})

t.test('source and id together make the idempotency key', async t => {
  const keyOf = (source: string, id: string) => fromCloudEvent({ ...valid, source, id }).idempotencyKey

  t.equal(keyOf('a', '1'), keyOf('a', '1'))
  t.not(keyOf('a', '1'), keyOf('a', '2'))
  t.not(keyOf('a', '1'), keyOf('b', '1'))
  t.not(keyOf('a:b', 'c'), keyOf('a', 'b:c'), 'they do not run into each other')
  t.match(keyOf('é\u0000\ud800'.repeat(1_000), '\n'), /^[\x21-\x7e]{1,255}$/, 'any text makes a key')
})

t.test('a CloudEvent that cannot be stored is refused with the reason', async t => {
  const refused: [unknown, RegExp][] = [
    [null, /must be a JSON object/],
    [[valid], /must be a JSON object/],
    ['x', /must be a JSON object/],
    [{ ...valid, specversion: '0.3' }, /specversion/],
    [{ ...valid, specversion: 1.0 }, /specversion/],
    [{ ...valid, id: '' }, /id must be/],
    [{ ...valid, id: 1 }, /id must be/],
    [{ ...valid, source: undefined }, /source must be/],
    [{ ...valid, type: undefined }, /type must be/],
    [{ ...valid, type: 'a\nb' }, /type must have/],
    [{ ...valid, data: undefined }, /data must be a JSON object/],
    [{ ...valid, data: [1] }, /data must be a JSON object/],
    [{ ...valid, data: 'text' }, /data must be a JSON object/],
    [{ ...valid, data: undefined, data_base64: 'AA==' }, /data_base64/],
    [{ ...valid, datacontenttype: 'text/xml' }, /datacontenttype/],
    [{ ...valid, traceParent: 'x' }, /"traceParent" is not an attribute/],
    [JSON.parse('{"__proto__":{}}'), /"__proto__" is not an attribute/],
  ]

  for (const [value, detail] of refused) {
    t.throws(() => fromCloudEvent(value), { status: 400, code: 'invalid-cloudevent', detail }, String(detail))
  }
})
