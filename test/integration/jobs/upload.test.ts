/** Uploads of lines: stored while they come, in bounded memory, and honest about where they broke. */
import { request } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { type PreparedEvent, prepare } from '../../../src/jobs/content.js'
import { upload } from '../../../src/jobs/upload.js'
import { Problem } from '../../../src/problems/problem.js'
import { as } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { type Answer, attempt, type JobsService, startJobs, types } from './service.js'

const LINES = { 'content-type': 'application/x-ndjson' }
const line = (n: number) => `${JSON.stringify({ type: 'output', data: { n } })}\n`

t.test('fifty thousand lines are stored in order, the first before the last is sent', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  let early = 0

  async function* lines() {
    for (let n = 1; n <= 50_000; n += 100) {
      yield Array.from({ length: 100 }, (_, at) => line(n + at)).join('')
      if (n !== 25_001) continue
      // Half of it is on its way; the sender waits until some of that can be seen.
      await until('the first lines are stored', async () => (await count(service, id)) > 0)
      early = await count(service, id)
    }
  }
  const { status, body } = await send(service, id, Readable.from(lines()))

  t.match({ status, body }, { status: 201, body: { stored: 50_000 } })
  t.ok(early > 0)
  const stored = (await service.stream(id)).slice(2)
  t.equal(stored.length, 50_000)
  t.ok(stored.every(({ data }, at) => data.n === at + 1))
})

t.test(
  'the gateway buffers one chunk of an upload, however long it is and however slow the database',
  async t => {
    let produced = 0
    let stored = 0
    let furthest = 0
    const piece = Buffer.from(line(1).repeat(2_000))
    async function* body() {
      for (let n = 0; n < 200; n += 1) {
        produced += 2_000
        furthest = Math.max(furthest, produced - stored)
        yield piece
      }
    }

    const total = await upload({
      body: body(),
      repeatable: false,
      signal: new AbortController().signal,
      hold: () => {},
      read: text => prepare(JSON.parse(text)),
      store: async batch => {
        await new Promise(resolve => setImmediate(resolve))
        stored += batch.length
      },
    })

    t.equal(total, 400_000)
    t.ok(furthest <= 4_000, `${furthest} lines were held at most`)
  },
)

t.test(
  'a broken line ends the upload: earlier lines are stored, and the error has the line number',
  async t => {
    const service = await startJobs(t)
    const cases: [bad: string, status: number, code: string, detail: RegExp][] = [
      ['{"type":"output"', 400, 'invalid-json', /^Line 1501: .*1500 events/],
      ['{"type":"output"}', 400, 'invalid-request', /data/],
      ['{"type":"a b","data":{}}', 400, 'invalid-request', /type/],
      ['[{"type":"a","data":{}}]', 400, 'invalid-request', /object/],
      ['{"type":"job.completed","data":{}}', 400, 'reserved-type', /status/],
      ['{"type":"a","data":{"__proto__":1}}', 400, 'forbidden-key', /__proto__/],
      [`{"type":"a","data":{"x":"${'x'.repeat(300_000)}"}}`, 413, 'event-too-large', /262144/],
      [`{"type":"a","data":{"x":"${'x'.repeat(2_000_000)}"}}`, 413, 'event-too-large', /Line 1501/],
    ]

    for (const [bad, status, code, detail] of cases) {
      const { id } = await service.create()
      const before = Array.from({ length: 1_500 }, (_, n) => line(n)).join('')
      const after = Array.from({ length: 20_000 }, (_, n) => line(n)).join('')
      const answer = await send(service, id, Readable.from([before, `${bad}\n`, after]), as('editor'))

      t.match(
        { ...answer.body, status: answer.status },
        { status, code, detail, line: 1_501, stored: 1_500 },
        bad.slice(0, 60),
      )
      t.equal(await count(service, id), 1_500)
    }
  },
)

t.test('lines before a broken line in the same chunk are stored as well', async t => {
  const stored: PreparedEvent[] = []
  const broken = upload({
    body: Readable.from([Buffer.from(`${line(1)}${line(2)}{\n${line(3)}`)]),
    repeatable: false,
    signal: new AbortController().signal,
    hold: () => {},
    read: text => prepare(JSON.parse(text)),
    store: async batch => void stored.push(...batch),
  })

  await t.rejects(broken, SyntaxError)

  t.equal(stored.length, 2)
})

t.test(
  'an upload that gets no more memory keeps its lines so far, and the error has their number',
  async t => {
    const stored: PreparedEvent[] = []
    const held: number[] = []
    const refused = upload({
      body: Readable.from([Buffer.from(line(1)), Buffer.from(`${line(2)}{"type"`), Buffer.from(line(3))]),
      repeatable: false,
      signal: new AbortController().signal,
      hold: bytes => {
        held.push(bytes)
        if (bytes > 0) throw new Problem(503, 'memory-low', 'No room.')
      },
      read: text => prepare(JSON.parse(text)),
      store: async batch => void stored.push(...batch),
    })

    await t.rejects(refused, { status: 503, code: 'memory-low', members: { stored: 2, line: 3 } })

    t.same(held, [0, 7])
    t.equal(stored.length, 2)
  },
)

t.test('blank lines are skipped, CRLF ends a line, and the last one needs no end', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const body = `\n${line(1).trim()}\r\n  \n\n${line(2)}${line(3).trim()}`

  const { status, body: answer } = await service.as('editor').post(`/api/jobs/${id}/events`, body, LINES)

  t.match({ status, answer }, { status: 201, answer: { stored: 3 } })
  t.same(
    (await service.stream(id)).slice(1).map(({ data }) => data),
    [{ n: 1 }, { n: 2 }, { n: 3 }],
  )
})

t.test('characters that are split between chunks stay whole', async t => {
  const stored: PreparedEvent[] = []
  const text = `${JSON.stringify({ type: 'a', data: { x: 'ü🔩\u2028' } })}\n`.repeat(3)

  await upload({
    body: Readable.from([...Buffer.from(text)].map(byte => Buffer.from([byte]))),
    repeatable: false,
    signal: new AbortController().signal,
    hold: () => {},
    read: one => prepare(JSON.parse(one)),
    store: async batch => void stored.push(...batch),
  })

  t.same(
    stored.map(({ data }) => JSON.parse(data)),
    [{ x: 'ü🔩\u2028' }, { x: 'ü🔩\u2028' }, { x: 'ü🔩\u2028' }],
  )
})

t.test('an upload repeated with its idempotency key stores every line once', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const lines = Array.from({ length: 2_500 }, (_, n) => line(n))
  const key = { ...as('editor'), 'idempotency-key': 'upload-1' }

  const cut = request(`${service.gateways[0].url}/api/jobs/${id}/events`, {
    method: 'POST',
    headers: { ...LINES, ...key },
  })
  cut.on('error', () => undefined)
  cut.write(lines.slice(0, 1_700).join(''))
  await until('one batch is stored', async () => (await count(service, id)) === 1_000)
  cut.destroy()
  const again = await send(service, id, Readable.from(lines), key)
  const once = await send(service, id, Readable.from([lines.join('')]), key)
  const other = await send(service, id, Readable.from([line(7)]), key)

  t.match(again, { status: 201, body: { stored: 2_500 } })
  t.match(once, { status: 201, body: { stored: 2_500 } })
  t.match(other.body, { status: 422, code: 'idempotency-key-reused', stored: 0, line: 1 })
  t.equal(await count(service, id), 2_500)
})

t.test('after a client disconnect the complete lines of an upload are stored', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const cut = request(`${service.gateways[0].url}/api/jobs/${id}/events`, {
    method: 'POST',
    headers: { ...LINES, ...as('editor') },
  })
  cut.on('error', () => undefined)

  cut.write(`${line(1)}${line(2)}{"type":"output","da`)
  await until('the lines are stored', async () => (await count(service, id)) === 2)
  cut.destroy()

  t.equal((await service.as('editor').post(`/api/jobs/${id}/cancel`)).status, 200)
  t.same(types(await service.stream(id)), ['job.created', 'output', 'output', 'job.cancelled'])
})

t.test('an upload whose job ends meanwhile gets an error with the number of stored lines', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  await service.claim()
  async function* lines() {
    yield line(1)
    await until('the first line is stored', async () => (await count(service, id)) === 1)
    await service.as('editor').post(`/api/jobs/${id}/cancel`)
    yield line(2)
    yield line(3)
  }

  const answer = await send(service, id, Readable.from(lines()))

  t.match(answer, { status: 409, body: { code: 'job-ended', stored: 1, line: 2 } })
  t.same(types(await service.stream(id)), ['job.created', 'job.started', 'output', 'job.cancelled'])
})

// Attack: a thief opens an upload, and goes on writing after the credentials were revoked.
t.test('an upload ends when its credentials are revoked, even while nothing arrives', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const { guard, database } = service.gateways[0].app
  const more = new PassThrough()
  more.write(line(1))
  const answer = send(service, id, more, as('editor'))
  await until('the line is stored', async () => (await count(service, id)) === 1)

  await database.query(`insert into sluice.revocations (workspace, by) values ('acme', 'root')`)
  await guard.reload()

  const told = { status: 401, body: { code: 'token-revoked', stored: 1, line: 2 } }
  t.match(await answer, told)
  more.end(line(2))
  t.equal(guard.watched, 0)
  t.equal(await count(service, id), 1)
})

// Attack: the same with a token that ends meanwhile, and lines that wait for a full batch.
t.test('an upload ends when its token expires, and the error has the number of stored lines', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const exp = Math.floor(Date.now() / 1_000) + 3
  const thief = { ...bearer(token({ role: 'editor', exp })), 'idempotency-key': 'held' }
  let sent = 0
  const stopped = new AbortController()
  async function* lines() {
    for (; !stopped.signal.aborted; sent += 1) {
      yield line(sent)
      if (sent > 1_500) await pause(10)
    }
  }

  const { status, body } = await send(service, id, Readable.from(lines()), thief)
  stopped.abort()

  t.match({ status, body }, { status: 401, body: { code: 'token-expired', stored: 1_000, line: 1_001 } })
  t.ok(Date.now() >= exp * 1_000 - 1, 'not before')
  t.ok(sent > 1_500)
  t.equal(await count(service, id), 1_000)
})

t.test('a line that is not UTF-8 is refused, and the lines before it are stored', async t => {
  const service = await startJobs(t)
  const { id } = await service.create()
  const bad = Buffer.from('{"type":"a","data":{"x":"M\xfcller"}}\n', 'latin1')
  const body = Buffer.concat([Buffer.from(`\ufeff${line(1)}`), bad, Buffer.from(line(3))])

  const answer = await send(service, id, Readable.from([body]), as('editor'))

  t.match(answer, { status: 400, body: { code: 'invalid-utf8', stored: 1, line: 2 } })
  t.same((await service.stream(id)).at(-1)?.data, { n: 1 })
})

/** Sends a body as it comes, as the runner of attempt 1 unless told otherwise. */
function send(
  service: JobsService,
  id: string,
  body: Readable,
  identity = {},
): Promise<Pick<Answer, 'status' | 'body'>> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...LINES,
      ...(Object.keys(identity).length > 0 ? identity : { ...as('runner'), ...attempt(1) }),
    }
    const sent = request(
      `${service.gateways[0].url}/api/jobs/${id}/events`,
      { method: 'POST', headers },
      async response => {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        sent.destroy()
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) })
      },
    )
    sent.on('error', reject)
    body.pipe(sent)
  })
}

async function count(service: JobsService, id: string): Promise<number> {
  const { rowCount } = await service.pool.query(
    `select from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.name = $1 and e.type not like 'job.%'`,
    [`job:${id}`],
  )
  return rowCount ?? 0
}
