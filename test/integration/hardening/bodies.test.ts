/** Bodies and URLs that are not what they say: refused with a reason, and nothing of them is stored. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { exchange, portOf, requestText } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'

const gateway = await startGateway(t)
const { url } = gateway
const LATIN_1 = Buffer.from('{"type":"a.b","data":{"name":"M\xfcller"}}', 'latin1')
const CLOUDEVENT = Buffer.from(
  '{"specversion":"1.0","id":"1","source":"/","type":"a.b","data":{"n":"\xfc"}}',
  'latin1',
)
const ITEM = Buffer.from('{"part_number":"A01","description":"M\xfcller","item_type":"a"}', 'latin1')

async function post(path: string, body: Buffer | string, headers: object = {}) {
  const type = { 'content-type': 'application/json' }
  const answer = await fetch(url + path, {
    method: 'POST',
    headers: { ...as('admin'), ...type, ...headers },
    body: new Uint8Array(Buffer.from(body)),
  })
  return { status: answer.status, headers: answer.headers, body: Object(await answer.json()) }
}

// Attack, or an old program: Latin-1 that would be stored as U+FFFD and acknowledged.
t.test('a body that is not UTF-8 is refused on every route that takes one', async t => {
  const job = (await post('/api/jobs', '{"kind":"build","started":true}')).body
  const cases = [
    ['/api/events', LATIN_1, {}],
    ['/api/events', CLOUDEVENT, { 'content-type': 'application/cloudevents+json' }],
    [
      '/api/events',
      Buffer.concat([Buffer.from('['), CLOUDEVENT, Buffer.from(']')]),
      { 'content-type': 'application/cloudevents-batch+json' },
    ],
    [
      '/api/events',
      Buffer.from('{"n":"\xfc"}', 'latin1'),
      { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/', 'ce-type': 'a.b' },
    ],
    ['/api/items', ITEM, {}],
    [`/api/jobs/${job.id}/events`, LATIN_1, {}],
    [`/api/jobs/${job.id}/events`, LATIN_1, { 'content-type': 'application/x-ndjson' }],
    ['/api/events', Buffer.from('{"type":"a.b","data":{"half":"\xed\xa0\x80"}}', 'latin1'), {}],
  ] as const

  for (const [path, body, headers] of cases) {
    const answer = await post(path, body, headers)
    t.match(answer, { status: 400, body: { code: 'invalid-utf8' } }, `${path} ${JSON.stringify(headers)}`)
  }
  const { rows } = await gateway.app.database.query(
    "select count(*)::int as stored from sluice.events where type <> 'job.created' and type <> 'job.started'",
  )
  t.strictSame(rows, [{ stored: 0 }])
})

t.test('a charset other than UTF-8 is refused before the body; UTF-8 is accepted by both names', async t => {
  const event = '{"type":"a.b","data":{}}'
  for (const charset of ['iso-8859-1', '"UTF-16"', 'us-ascii', '']) {
    const answer = await post('/api/events', event, {
      'content-type': `application/json; charset=${charset}`,
    })
    t.match(answer, { status: 415, body: { code: 'unsupported-charset' } }, charset)
  }
  for (const charset of ['utf-8', 'UTF-8', '"utf8"']) {
    const answer = await post('/api/events', event, {
      'content-type': `application/json;charset=${charset}`,
    })
    t.equal(answer.status, 201, charset)
  }
})

t.test(
  'U+FFFD that a caller sends is stored; a byte order mark before the text is not a part of it',
  async t => {
    const data = { text: '\ufffd and \ufeff' }
    const { body } = await post('/api/events', `\ufeff${JSON.stringify({ type: 'a.b', data })}`)

    const stored = await fetch(`${url}/api/events/${body.events[0].id}`, { headers: as('viewer') })

    t.match(await stored.json(), { data })
  },
)

t.test('a compressed body is refused with the accepted encodings', async t => {
  const answer = await post('/api/events', gzipSync('{"type":"a.b","data":{}}'), {
    'content-encoding': 'gzip',
  })

  t.match(answer, { status: 415, body: { code: 'unsupported-encoding' } })
  t.equal(answer.headers.get('accept-encoding'), 'identity')
})

t.test('a URL that is not ASCII, or whose escapes are not UTF-8, is refused', async t => {
  const targets = [
    '/api/items?search=M%FCller',
    '/api/items?search=%C3',
    '/api/items?search=%C3(%A4',
    '/api/items/M%FCller',
    '/api/items/%ED%A0%80',
    '/api/events?types=%FF',
    '/api/audit?principal=%E4',
  ]
  for (const target of targets) t.match(await ask('GET', target), { status: 400, code: 'bad-url' }, target)
  for (const target of [
    '/api/items?search=M%C3%BCller',
    '/api/items?search=100%',
    '/api/items?search=%EF%BF%BD',
  ])
    t.equal((await ask('GET', target)).status, 200, target)
})

t.test('a target without a path, an unknown method and an empty name are client errors', async t => {
  t.match(await ask('GET', '*'), { status: 400, code: 'bad-url' })
  t.match(await ask('OPTIONS', '*'), { status: 400, code: 'bad-url' })
  t.match(await ask('GET', `http://localhost/api/items`), { status: 200 })
  for (const method of ['QUERY', 'PURGE', 'BREW'])
    t.match(await ask(method, '/api/items'), { status: 405, code: 'method-not-allowed' }, method)
  for (const path of ['/api/events/', '/api/items/', '/api/jobs/', '/projects//events', '/api/jobs//events'])
    t.match(await ask('GET', path), { status: 404, code: 'not-found' }, path)
  t.match(await ask('GET', '/nope'), { status: 404, code: 'not-found' })
})

/** As it is written, which no client library would do. */
async function ask(method: string, target: string) {
  const headers = { accept: 'application/json', ...as('admin') }
  const { statuses, text } = await exchange(portOf(url), requestText(method, target, headers))
  return { status: statuses[0], ...JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) }
}
