import { createHmac } from 'node:crypto'
import { HTTP } from 'cloudevents'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import t from 'tap'
import { isBinaryMode, structured } from '../../../../src/log/cloudevent-headers.js'
import { fromCloudEvent } from '../../../../src/log/cloudevents.js'
import { packageVersion } from '../../../../src/process/package-version.js'
import {
  MESSAGE_FORMS,
  type Message,
  type MessageForm,
  requestOf,
} from '../../../../src/webhooks/sending/message.js'
import { newSecret, secretBytes, signatureOf } from '../../../../src/webhooks/sending/signature.js'

const EVENT_ID = '6f9619ff-8b86-4011-b42d-00c04fc964ff'
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
/** Text that a parser would write differently: spaces, line ends, escapes, numbers, a name twice. */
const STORED = '{ "n": 1.0,\r\n\t"big": 12345678901234567890, "e": "\\u00e4ä\\/",\n "a": 1, "a": 2 }'
const [current, previous, other] = [newSecret(), newSecret(), newSecret()]

const event: Message = {
  id: '7.n6lbt7',
  eventId: EVENT_ID,
  at: new Date('2026-01-31T23:59:00.123Z'),
  type: 'order.placed',
  data: STORED,
}

function request(
  form: MessageForm,
  members: Partial<Message> = {},
  options: { secrets?: string[]; now?: number } = {},
) {
  const { secrets = [current], ...context } = options
  const target = {
    id: 'w-1',
    workspace: 'a',
    stream: 'orders',
    url: 'https://hooks.example.com/',
    form,
    headers: {},
    secrets,
  }
  const { headers, body } = requestOf(
    target,
    { ...event, ...members },
    { attempt: 3, source: '/a/orders', ...context },
  )
  return { headers, body: Buffer.from(body), text: Buffer.from(body).toString() }
}

/** An event that was published as this CloudEvent. */
function published(document: object): Partial<Message> {
  const { event } = fromCloudEvent({
    specversion: '1.0',
    id: 'A-1',
    source: '/shop',
    type: 'order.placed',
    ...document,
  })
  return { ...event, data: JSON.stringify(event.data) }
}

t.test(
  'every form is verified by the packages standardwebhooks and svix, by both secrets and by no other',
  async t => {
    const secrets = [current, previous]

    for (const form of MESSAGE_FORMS) {
      const { headers, text } = request(form, {}, { secrets })
      for (const [name, Verifier] of Object.entries({
        standardwebhooks: StandardWebhook,
        svix: SvixWebhook,
      })) {
        for (const secret of secrets) t.ok(new Verifier(secret).verify(text, headers), `${form} ${name}`)
        t.throws(() => new Verifier(other).verify(text, headers), `${form} ${name}, another secret`)
        t.throws(() => new Verifier(current).verify(`${text} `, headers), `${form} ${name}, another body`)
        t.throws(
          () => new Verifier(current).verify(text, { ...headers, 'webhook-id': other }),
          `${form} ${name}, another id`,
        )
      }
    }
  },
)

t.test('secrets of every permitted length sign as both packages do', async t => {
  for (const bytes of [24, 25, 32, 63, 64]) {
    const secret = `whsec_${Buffer.alloc(bytes, 0xfb).toString('base64')}`
    const signed = { id: EVENT_ID, timestamp: 1_700_000_000, body: 'ü' }
    const theirs = new StandardWebhook(secret).sign(
      signed.id,
      new Date(signed.timestamp * 1_000),
      signed.body,
    )

    t.equal(signatureOf([secret], signed), theirs, `${bytes} bytes`)
    t.equal(
      theirs,
      `v1,${createHmac('sha256', Buffer.alloc(bytes, 0xfb)).update(`${EVENT_ID}.1700000000.ü`).digest('base64')}`,
    )
  }
})

t.test('what is no secret signs nothing, and is not quoted', async t => {
  const bad = [
    '',
    'whsec_',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    Buffer.alloc(32).toString('base64'),
    `whsec_${Buffer.alloc(32).toString('base64').slice(0, -1)}`,
    `whsec_${Buffer.alloc(32, 0xfb).toString('base64url')}`,
    `whsec_ ${Buffer.alloc(32).toString('base64')}`,
  ]

  t.strictSame(
    bad.filter(secret => secretBytes(secret) !== undefined),
    [],
  )
  t.throws(() => request('standard', {}, { secrets: ['whsec_leaked'] }), {
    message: /^(?!.*leaked).*24 to 64 bytes/,
  })
  t.throws(() => request('standard', {}, { secrets: [] }), /without a secret/)
  t.equal(secretBytes(newSecret())?.length, 32)
})

t.test('the standard form holds type, time and the data as it is stored', async t => {
  const now = Date.parse('2026-02-01T08:00:00.999Z')
  const { headers, text } = request('standard', { traceparent: TRACE }, { now })

  t.equal(text, `{"type":"order.placed","timestamp":"2026-01-31T23:59:00.123Z","data":${STORED}}`)
  t.match(headers['webhook-signature'], /^v1,[A-Za-z0-9+/]{43}=$/)
  t.strictSame(headers, {
    'content-type': 'application/json',
    traceparent: TRACE,
    'user-agent': `Sluice/${packageVersion()}`,
    'webhook-id': EVENT_ID,
    'webhook-timestamp': '1769932800',
    'webhook-signature': headers['webhook-signature'],
    'sluice-webhook': 'w-1',
    'sluice-stream': 'orders',
    'sluice-attempt': '3',
    'sluice-event-id': '7.n6lbt7',
  })
})

t.test('a structured CloudEvent holds the data as it is stored', async t => {
  const { headers, text } = request('cloudevents', { traceparent: TRACE })

  t.equal(headers['content-type'], 'application/cloudevents+json')
  t.ok(text.endsWith(`,"data":${STORED}}`))
  t.match(JSON.parse(text), {
    specversion: '1.0',
    id: EVENT_ID,
    source: '/a/orders',
    type: 'order.placed',
    time: '2026-01-31T23:59:00.123Z',
    traceparent: TRACE,
    sluiceid: '7.n6lbt7',
  })
  t.match(HTTP.toEvent({ headers, body: text }), { id: EVENT_ID, type: 'order.placed' })
})

t.test(
  'a binary CloudEvent has its attributes in headers, and the data as it is stored as its body',
  async t => {
    const { headers, text } = request('cloudevents-binary')

    t.equal(text, STORED)
    t.match(headers, {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': EVENT_ID,
      'ce-source': '/a/orders',
      'ce-type': 'order.placed',
      'ce-sluiceid': '7.n6lbt7',
    })
    t.match(HTTP.toEvent({ headers, body: text }), { id: EVENT_ID, type: 'order.placed' })
  },
)

t.test('a CloudEvent that was published comes out as it went in, in both modes', async t => {
  const documents: Record<string, object> = {
    object: { data: { a: 1 } },
    text: { data: 'grüß "dich"', datacontenttype: 'text/plain' },
    'text as JSON': { data: 'x' },
    number: { data: 1.5 },
    null: { data: null },
    binary: { data_base64: 'AP+A', datacontenttype: 'image/png' },
    none: {},
    'other attributes': {
      data: {},
      subject: 'ä "1" %',
      sequence: 7,
      urgent: true,
      datacontenttype: 'application/x+json',
    },
  }

  for (const [name, document] of Object.entries(documents)) {
    const stored = published(document)
    const parsed: unknown = JSON.parse(request('cloudevents', stored).text)
    const { headers, body } = request('cloudevents-binary', stored)
    // As the gateway reads what others send in binary mode.
    const mediaType = headers['content-type'] ?? ''
    const decoded = structured(headers, /json/.test(mediaType) ? JSON.parse(body.toString()) : body)
    const { datacontenttype, ...wanted } = {
      source: '/shop',
      id: 'A-1',
      sluiceid: '7.n6lbt7',
      datacontenttype: undefined,
      ...document,
    }

    t.match(parsed, wanted, name)
    t.ok(isBinaryMode(headers))
    t.match(
      decoded,
      Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, asHeader(key, value)])),
      name,
    )
    t.equal(
      decoded.datacontenttype,
      datacontenttype ?? (name === 'none' ? undefined : 'application/json'),
      name,
    )
  }
})

t.test('data of a CloudEvent that is no JSON object is sent as it is stored, too', async t => {
  const stored: Record<string, string> = {
    '{ "data" : 1.0 }': '1.0',
    '{"data":[1e2,\n "\\u00e4"]}\n': '[1e2,\n "\\u00e4"]',
    // Not written by the gateway: other members, a name twice or with escapes. The value counts.
    '{"data":1.0,"more":2}': '1',
    '{"data":1.0,"data":2.0}': '2',
    '{"\\u0064ata":"x"}': '"x"',
  }
  const attributes = JSON.stringify({ data_form: 'json' })

  for (const [data, text] of Object.entries(stored)) {
    t.equal(request('cloudevents-binary', { data, attributes }).text, text)
    t.ok(request('cloudevents', { data, attributes }).text.endsWith(`,"data":${text}}`), data)
  }
})

t.test('attributes that no header holds are sent in structured mode', async t => {
  const long = published({ data: {}, subject: 'a'.repeat(10_000) })
  const wide = published({ data: {}, subject: 'ä'.repeat(2_000) })
  const forged = published({ data: {}, datacontenttype: 'text/plain\r\nwebhook-id: 1' })

  for (const stored of [long, wide, forged]) {
    const { headers, text } = request('cloudevents-binary', stored)
    t.equal(headers['content-type'], 'application/cloudevents+json')
    t.match(JSON.parse(text), { id: 'A-1', source: '/shop' })
    t.ok(new StandardWebhook(current).verify(text, headers))
  }
})

t.test(
  'a message outside of the log has no event id, and headers of the endpoint never replace ours',
  async t => {
    const target = {
      id: 'w-1',
      workspace: 'a',
      stream: 'orders',
      url: 'https://hooks.example.com/',
      form: 'cloudevents' as const,
      headers: { 'X-Key': 'k', 'Content-Type': 'x', 'Webhook-Id': 'x' },
      secrets: [current],
    }
    const { headers, body } = requestOf(
      target,
      { ...event, id: undefined },
      { attempt: 1, source: '/a/orders' },
    )

    t.notOk('sluice-event-id' in headers)
    t.notMatch(JSON.parse(body.toString()), { sluiceid: String })
    t.match(headers, { 'x-key': 'k', 'content-type': 'application/cloudevents+json', 'webhook-id': EVENT_ID })
    t.equal(Object.keys(headers).filter(name => name.toLowerCase() !== name).length, 0)
  },
)

t.test('lone surrogates and every other character of an attribute fit into a header', async t => {
  const { headers } = request('cloudevents-binary', {
    attributes: JSON.stringify({ subject: '\ud800\u0001é€😀"%\\ ~' }),
  })

  t.equal(headers['ce-subject'], '%EF%BF%BD%01%C3%A9%E2%82%AC%F0%9F%98%80%22%25\\%20~')
})

function asHeader(name: string, value: unknown): unknown {
  return name.startsWith('data') ? value : String(value)
}
