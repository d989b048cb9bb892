import t from 'tap'
import { fromCloudEvent } from '../../../src/log/cloudevents.js'

const valid = { specversion: '1.0', id: '1', source: '/shop', type: 'item.created', data: { a: 1 } }

t.test('type and data become the event, and the other attributes are kept beside them', async t => {
  const others = {
    time: '2026-01-01T00:00:00Z',
    subject: 'x',
    datacontenttype: 'application/json; charset=utf-8',
    comexampleextension: 5,
  }
  const { event } = fromCloudEvent({ ...valid, ...others, dataschema: null, sluiceid: '1.aaaaaa' })
  const { attributes, ...plain } = event

  t.strictSame(plain, { type: 'item.created', data: { a: 1 }, traceparent: undefined })
  t.strictSame(JSON.parse(attributes), { id: '1', source: '/shop', ...others })
})

t.test(
  'data that is no JSON object is a member of one, under the name that it has in the JSON format',
  async t => {
    const held = (members: object) => {
      const { data, attributes } = fromCloudEvent({ ...valid, data: undefined, ...members }).event
      return [data, JSON.parse(attributes).data_form]
    }

    t.strictSame(held({ data: { data: 1 } }), [{ data: 1 }, undefined])
    t.strictSame(held({ data: 'text' }), [{ data: 'text' }, 'json'])
    t.strictSame(held({ data: [1] }), [{ data: [1] }, 'json'])
    t.strictSame(held({ data: null }), [{ data: null }, 'json'])
    t.strictSame(held({ data_base64: 'AA==' }), [{ data_base64: 'AA==' }, 'base64'])
    t.strictSame(held({}), [{}, 'none'])
  },
)

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
    [{ ...valid, data_base64: 'AA==' }, /exclude each other/],
    [{ ...valid, data: undefined, data_base64: 'A' }, /data_base64 must be/],
    [{ ...valid, data: undefined, data_base64: 7 }, /data_base64 must be/],
    [{ ...valid, datacontenttype: 7 }, /datacontenttype must be/],
    [{ ...valid, subject: '' }, /subject must be/],
    [{ ...valid, time: 'yesterday' }, /time must be as in RFC 3339/],
    [{ ...valid, comexample: 1.5 }, /comexample must be a string, a boolean, or a whole number/],
    [{ ...valid, comexample: {} }, /comexample must be a string, a boolean/],
    [{ ...valid, comexample: 'x'.repeat(16_384) }, /attributes are \d+ bytes of JSON; the limit is 16384/],
    [{ ...valid, traceParent: 'x' }, /"traceParent" is not an attribute/],
    [JSON.parse(`{"__proto__":{},${JSON.stringify(valid).slice(1)}`), /"__proto__" is not an attribute/],
  ]

  for (const [value, detail] of refused) {
    t.throws(() => fromCloudEvent(value), { status: 400, code: 'invalid-cloudevent', detail }, String(detail))
  }
})
