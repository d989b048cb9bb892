/**
 * Requests that say twice, or not clearly, where they end. If a proxy and the gateway disagree, the rest of one client's
 * body is read as the next request, in the name of the next client. Each body here holds a request with good credentials
 * that would create an item: that item must never exist.
 */
import t, { type Test } from 'tap'
import { exchange, portOf } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'

const gateway = await startGateway(t)
const EDITOR = as('editor').authorization

/** A whole request in a body: the item `name`. */
function smuggled(name: string): string {
  const body = JSON.stringify({ part_number: name, description: 'Smuggled', item_type: 'part' })
  const head = ['POST /api/items HTTP/1.1', 'Host: x', `Authorization: ${EDITOR}`, 'Connection: close']
  return `${head.join('\r\n')}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

interface Attack {
  readonly attack: string
  /** The framing headers, as they are written. */
  readonly lines: readonly string[]
  /** Before the smuggled request; `N` in a line is the length of all that is in the body. */
  readonly prefix?: string
  readonly lineEnd?: string
}

const ENDED = '0\r\n\r\n'

const ATTACKS: readonly Attack[] = [
  {
    attack: 'CL and TE: one believes the length, the other the chunks.',
    lines: ['Content-Length: N', 'Transfer-Encoding: chunked'],
    prefix: ENDED,
  },
  {
    attack: 'TE and CL, the other way round.',
    lines: ['Transfer-Encoding: chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'Two lengths: one reads the first, one the last.',
    lines: ['Content-Length: 0', 'Content-Length: N'],
  },
  { attack: 'Two lengths in one line.', lines: ['Content-Length: 0, N'] },
  {
    attack: 'Two equal lengths and a third.',
    lines: ['Content-Length: N', 'Content-Length: N', 'Content-Length: 0'],
  },
  { attack: 'A length with a sign.', lines: ['Content-Length: +0'] },
  { attack: 'A negative length.', lines: ['Content-Length: -1'] },
  { attack: 'A length in another base.', lines: ['Content-Length: 0x0'] },
  { attack: 'A length with a fraction.', lines: ['Content-Length: 0.0'] },
  {
    attack: 'A length past 64 bits, which becomes a small one.',
    lines: ['Content-Length: 18446744073709551616'],
  },
  { attack: 'A length with a blank in it.', lines: ['Content-Length: 0 0'] },
  {
    attack: 'A blank before the colon: no header to one, a header to the other.',
    lines: ['Content-Length : 0', 'Content-Length: N'],
  },
  {
    attack: 'A blank before the colon of TE.',
    lines: ['Transfer-Encoding : chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'A folded line hides the coding.',
    lines: ['Transfer-Encoding:', ' chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'A folded line after a harmless header.',
    lines: ['X-A: b', ' Transfer-Encoding: chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'A coding that nobody knows, but that ends the same.',
    lines: ['Transfer-Encoding: xchunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'Two codings, the last one another.',
    lines: ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'chunked twice.',
    lines: ['Transfer-Encoding: chunked, chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  { attack: 'In quotes.', lines: ['Transfer-Encoding: "chunked"', 'Content-Length: N'], prefix: ENDED },
  { attack: 'Behind a tab.', lines: ['Transfer-Encoding:\tchunked', 'Content-Length: N'], prefix: ENDED },
  {
    attack: 'Behind a vertical tab.',
    lines: ['Transfer-Encoding:\vchunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  { attack: 'With NUL behind.', lines: ['Transfer-Encoding: chunked\0', 'Content-Length: N'], prefix: ENDED },
  {
    attack: 'Behind a bare CR.',
    lines: ['X: a\rTransfer-Encoding: chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'Behind a bare LF.',
    lines: ['X: a\nTransfer-Encoding: chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'Bare LF everywhere.',
    lines: ['Content-Length: N', 'Transfer-Encoding: chunked'],
    prefix: '0\n\n',
    lineEnd: '\n',
  },
  { attack: 'A chunk size with a sign.', lines: ['Transfer-Encoding: chunked'], prefix: '-0\r\n\r\n' },
  {
    attack: 'A chunk size past 64 bits.',
    lines: ['Transfer-Encoding: chunked'],
    prefix: '10000000000000000\r\n\r\n',
  },
  { attack: 'A chunk size in another base.', lines: ['Transfer-Encoding: chunked'], prefix: '0x0\r\n\r\n' },
  { attack: 'A chunk that ends with a bare LF.', lines: ['Transfer-Encoding: chunked'], prefix: '0\n\n' },
  {
    attack: 'An extension that ends with a bare LF.',
    lines: ['Transfer-Encoding: chunked'],
    prefix: '2;a\nxx\r\n0\r\n\r\n',
  },
  {
    attack: 'A chunk longer than it says.',
    lines: ['Transfer-Encoding: chunked'],
    prefix: '1\r\nxxx\r\n0\r\n\r\n',
  },
  {
    attack: 'A header whose name has a colon in front.',
    lines: [': x', 'Transfer-Encoding: chunked', 'Content-Length: N'],
    prefix: ENDED,
  },
  {
    attack: 'A length hidden as hop by hop.',
    lines: ['Connection: Content-Length', 'Content-Length: N', 'Transfer-Encoding: chunked'],
    prefix: ENDED,
  },
]

for (const [way, skip] of [
  ['directly', false],
  ['through nginx', withoutNginx()],
] as const) {
  t.test(`${way}, no request with an ambiguous end smuggles in another one`, { skip }, async t => {
    const port = way === 'directly' ? portOf(gateway.url) : await throughNginx(t)
    const unclear = ATTACKS.map((attack, at) => ({
      ...attack,
      name: `${way === 'directly' ? 'D' : 'N'}-${at}`,
    }))

    for (const { attack, name, lines, prefix = '', lineEnd = '\r\n' } of unclear) {
      const inner = smuggled(name)
      const body = `${prefix}${inner}`
      const head = [
        'POST /health HTTP/1.1',
        'Host: x',
        ...lines.map(line => line.replace('N', `${body.length}`)),
      ]
      // Two more, so that one who waits for the rest of a body gets something, and an end.
      const next = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
      await exchange(port, `${head.join(lineEnd)}${lineEnd}${lineEnd}${body}${next}`, { ends: true })
      t.equal(await isThere(name), false, `${attack} ${lines.join(' | ')}`)
    }

    await exchange(port, smuggled(`${way === 'directly' ? 'D' : 'N'}-good`))
    t.equal(
      await isThere(`${way === 'directly' ? 'D' : 'N'}-good`),
      true,
      'as a request of its own it is taken',
    )
  })
}

// Attack: behind one client's request another answer is put, which the next client of the connection to the gateway gets.
t.test('through nginx, the next client gets its own answer', { skip: withoutNginx() }, async t => {
  const port = await throughNginx(t)

  for (const { lines, prefix = '', lineEnd = '\r\n' } of ATTACKS) {
    const body = `${prefix}GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n`
    const head = [
      'POST /health HTTP/1.1',
      'Host: x',
      ...lines.map(line => line.replace('N', `${body.length}`)),
    ]
    await exchange(port, `${head.join(lineEnd)}${lineEnd}${lineEnd}${body}`, { ends: true })

    const answers = await Promise.all(
      Array.from({ length: 3 }, async () => (await fetch(`http://127.0.0.1:${port}/health`)).text()),
    )
    t.same(new Set(answers), new Set(['{"status":"ok"}']), lines.join(' | '))
  }
})

// Attack: a name that comes back in a header has a line end in it, and with it a header of the attacker, or an answer.
t.test('no input injects a response header', async t => {
  const breaks = [
    '%0d%0aSet-Cookie:%20a=b',
    '%0aSet-Cookie:%20a=b',
    '%E5%98%8A%E5%98%8DSet-Cookie:a=b',
    '%00',
    '%7f',
  ]
  const port = portOf(gateway.url)
  const create = (part_number: string) => JSON.stringify({ part_number, description: 'a', item_type: 'part' })

  for (const text of breaks) {
    const plain = decodeURIComponent(text)
    const requests = [
      get(`/api/items/${text}`),
      get(`/api/events?stream=${text}`),
      get(`/api/events?last_event_id=${text}`),
      get(`/api/v1/artifacts/acme/${text}?expires=9999999999&signature=a`),
      get(`/projects/${text}/events?stream_id=a`),
      get('/health', [`X-Request-Id: ${text}`]),
      get('/health', [`Origin: https://a.example${text}`]),
      get('/health', [`Host: a.example${text}`]),
      post('/api/items', create(`A01${plain}`)),
      post('/api/jobs', JSON.stringify({ kind: 'build', title: plain })),
      post('/api/stream-tickets', JSON.stringify({ path: `/api/events?types=${plain}` })),
      post('/api/stream-tickets', JSON.stringify({ path: `/api/events?types=${text}` })),
    ]
    for (const request of requests) {
      const answer = await exchange(port, request)
      const head = answer.text.split('\r\n\r\n')[0] ?? ''
      if (/^set-cookie: *a=b/im.test(head)) t.fail(`${request.split('\r\n')[0]} → ${head}`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
      if (/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]/.test(head)) t.fail(`${request.split('\r\n')[0]} → ${head}`)
      if (answer.statuses.length !== 1 || answer.statuses.some(status => status >= 500)) {
        t.fail(`${request.split('\r\n')[0]} → ${answer.text.slice(0, 300)}`)
      }
    }
  }
})

function get(target: string, lines: readonly string[] = []): string {
  const hosts = lines.some(line => line.startsWith('Host')) ? [] : ['Host: x']
  const head = [`GET ${target} HTTP/1.1`, ...hosts, `Authorization: ${EDITOR}`, 'Accept: application/json']
  return `${[...head, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`
}

function post(target: string, body: string): string {
  const head = [`POST ${target} HTTP/1.1`, 'Host: x', `Authorization: ${EDITOR}`, 'Connection: close']
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  // The socket takes Latin-1: as bytes of UTF-8.
  const bytes = Buffer.from(body).toString('latin1')
  return `${[...head, 'Content-Type: application/json', length].join('\r\n')}\r\n\r\n${bytes}`
}

async function throughNginx(t: Test): Promise<string> {
  return portOf((await startNginx(t, { upstreams: [Number(portOf(gateway.url))] })).url)
}

async function isThere(name: string): Promise<boolean> {
  const response = await fetch(`${gateway.url}/api/items/${name}`, { headers: as('viewer') })
  await response.text()
  return response.status === 200
}
