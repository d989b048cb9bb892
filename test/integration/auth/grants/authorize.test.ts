/** Decisions at run time, by a real service over HTTP, or by a function of the application. */
import t from 'tap'
import { Decisions } from '../../../../src/auth/grants/decisions.js'
import type { Principal } from '../../../../src/auth/principal.js'
import { movableClock } from '../../../harness/clock.js'
import { createDatabase } from '../../../harness/database.js'
import { openStream } from '../../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { within } from '../../../harness/patience.js'
import { startProcess } from '../../../harness/process.js'
import { until } from '../../../harness/until.js'
import { type Question, type Reply, say, startService, TOKEN } from './service.js'

t.test('the service is asked once for each principal, action and stream, and its answer holds', async t => {
  const service = await startService(t, ({ stream }, response) =>
    say({ allowed: stream !== 'secret', types: ['a.*'] })({} as Question, response),
  )
  const gateway = await startGateway(t, { env: service.env })
  await publish(gateway, { type: 'a.made', data: {} }, { stream: 'open' })
  await gateway.app.database.query(`select sluice.publish('acme', 'open', 'b.made', '{}')`)
  await gateway.app.database.query(`select sluice.publish('acme', 'secret', 'a.made', '{}')`)

  const pages = await Promise.all(Array.from({ length: 20 }, () => page(gateway, 'open')))
  const [secret, missing] = [await page(gateway, 'secret'), await page(gateway, 'missing')]
  const refused = await fetch(`${gateway.url}/api/events?stream=open`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: '{"type":"b.made","data":{}}',
  })

  for (const { status, body } of pages)
    t.match({ status, body }, { status: 200, body: { events: [{ type: 'a.made' }] } })
  t.match(pages[0]?.body, { events: { length: 1 } })
  t.equal(secret.status, 404)
  t.strictSame(secret.body, missing.body, 'unknown and forbidden look the same')
  t.equal(refused.status, 403)
  t.strictSame(service.asked.map(({ action, stream }) => `${action} ${stream}`).sort(), [
    'publish open',
    'subscribe missing',
    'subscribe open',
    'subscribe secret',
  ])
  t.strictSame(service.asked[1]?.principal, { id: 'viewer-of-acme', workspace: 'acme', role: 'viewer' })
  t.ok(service.tokens.every(text => text === `Bearer ${TOKEN}`))
})

t.test('an open stream is asked about again, and ends when the answer is no', async t => {
  const service = await startService(t, say({ allowed: true, valid_for: 1 }))
  const gateway = await startGateway(t, { env: service.env })
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)

  await until('it was asked again', () => service.asked.length > 1)
  service.reply = say({ allowed: false })

  t.equal(await stream.ended(), true)
  const again = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  t.equal(again.response.statusCode, 404)
})

t.test('without an answer nothing new is allowed, and an open stream lives on', async t => {
  const service = await startService(t, say({ allowed: true, valid_for: 1 }))
  const gateway = await startGateway(t, { env: service.env })
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
  await stream.until(1)
  const failures: Record<string, Reply> = {
    'status 500': (_, response) => response.writeHead(500).end(),
    'a refusal by status': (_, response) => response.writeHead(403).end(),
    'a redirect': (_, response) => response.writeHead(307, { location: '/elsewhere' }).end(),
    'no JSON': (_, response) => response.setHeader('content-type', 'text/html').end('yes'),
    'another form': say({ allow: true }),
    'too long': say({ allowed: true, types: [], more: 'x'.repeat(20_000) }),
    'cut off': (_, response) => response.destroy(),
    silence: () => {},
  }

  for (const [name, reply] of Object.entries(failures)) {
    service.reply = reply
    const { status, body } = await page(gateway, `new-${name.replaceAll(' ', '-')}`)
    t.match(
      { status, body },
      { status: 503, body: { code: 'authorization-unavailable', retry_after: 2 } },
      name,
    )
  }
  const refused = await openStream(t, `${gateway.url}/api/events?stream=other`, { headers: as('viewer') })
  service.reply = say({ allowed: true })
  await publish(gateway, { type: 'a', data: {} })
  await stream.until(1, 'a')

  t.equal(refused.response.statusCode, 200)
  t.match(await refused.until(1), [{ event: 'unavailable', data: '{"reason":"authorization"}' }])
})

t.test(
  'a slow answer for one workspace does not delay another, and a herd asks once per question',
  async t => {
    const asked: string[] = []
    let free = () => {}
    const held = new Promise<void>(resolve => {
      free = resolve
    })
    let running = 0
    let most = 0
    const decisions = new Decisions({
      logger: { info() {}, error() {}, warn() {} } as never,
      async authorize({ id, workspace }) {
        asked.push(id)
        running += 1
        most = Math.max(most, running)
        if (workspace === 'slow') await held
        running -= 1
        return true
      },
    })
    t.teardown(() => decisions.close())
    const principal = (workspace: string, id: string) => ({ id, workspace, role: 'viewer' }) as Principal

    const slow = Array.from({ length: 10_000 }, (_, index) =>
      decisions.decide(principal('slow', `s${index % 100}`), 'subscribe', 'feed'),
    )
    await decisions.decide(principal('fast', 'f'), 'subscribe', 'feed')
    free()
    await Promise.all(slow)

    t.equal(new Set(asked).size, 101)
    t.equal(asked.length, 101)
    t.ok(most <= 32, `${most} at a time`)
  },
)

t.test('a function that never answers keeps its place for a while only', async t => {
  let answers = false
  const decisions = new Decisions({
    logger: { info() {}, error() {}, warn() {} } as never,
    answerMs: 20,
    authorize: () => (answers ? true : new Promise(() => {})),
  })
  t.teardown(() => decisions.close())
  const principal = { id: 'ada', workspace: 'acme', role: 'viewer' } as Principal
  const decide = (stream: string) => decisions.decide(principal, 'subscribe', stream)

  // As many as are asked at a time.
  const first = Array.from({ length: 40 }, (_, n) => decide(`s${n}`).catch(error => error.code))
  const codes = await within(5_000, Promise.all(first), () => 'They have no answer.')

  t.strictSame(new Set(codes), new Set(['authorization-unavailable']))
  answers = true
  t.ok((await decide('s0')).types.matchesAll)
})

t.test('an answer that has ended keeps what is open for two minutes, and lets nothing new in', async t => {
  let now = 0
  let fails = false
  const decisions = new Decisions({
    logger: { info() {}, error() {}, warn() {} } as never,
    now: () => now,
    async authorize() {
      if (fails) throw new Error('away')
      return { allowed: true, valid_for: 10_000 }
    },
  })
  t.teardown(() => decisions.close())
  const principal = { id: 'ada', workspace: 'acme', role: 'viewer' } as Principal
  const answered = await decisions.decide(principal, 'subscribe', 'feed')
  let ended = false
  t.teardown(answered.watch(() => (ended = true)))
  fails = true

  now = 300_000
  await t.rejects(decisions.decide(principal, 'subscribe', 'feed'), { code: 'authorization-unavailable' })
  t.ok(answered.types.matchesAll, 'it lives on')
  now = 420_000
  await until('it has ended', () => ended)
  t.notOk(answered.types.matchesAll)
})

t.test('an answer ends in its time although the clock of the system goes back meanwhile', async t => {
  const clock = movableClock(t)
  let allowed = true
  const decisions = new Decisions({
    logger: { info() {}, error() {}, warn() {} } as never,
    authorize: async () => ({ allowed, valid_for: 10 }),
  })
  t.teardown(() => decisions.close())
  const principal = { id: 'ada', workspace: 'acme', role: 'viewer' } as Principal
  await decisions.decide(principal, 'subscribe', 'feed')
  allowed = false

  clock.forward(-3_600_000)
  t.ok((await decisions.decide(principal, 'subscribe', 'feed')).types.matchesAll, 'not before')
  clock.forward(11_000)

  t.notOk((await decisions.decide(principal, 'subscribe', 'feed')).types.matchesAll)
})

t.test(
  'every open stream lives on a fresh answer, also if its question was forgotten before it opened',
  async t => {
    let now = 0
    let allowed = true
    const decisions = new Decisions({
      logger: { info() {}, error() {}, warn() {} } as never,
      now: () => now,
      authorize: async () => ({ allowed, valid_for: 10_000 }),
      remembered: 1,
    })
    t.teardown(() => decisions.close())
    const principal = { id: 'ada', workspace: 'acme', role: 'viewer' } as Principal
    const first = await decisions.decide(principal, 'subscribe', 'feed')
    await decisions.decide(principal, 'subscribe', 'other')
    const second = await decisions.decide(principal, 'subscribe', 'feed')
    const heard = new Set<string>()
    t.teardown(second.watch(() => heard.add('second')))
    t.teardown(first.watch(() => heard.add('first')))

    allowed = false
    now = 300_000

    await until('both watchers are called', () => heard.size === 2)
    t.notOk(first.types.matchesAll || second.types.matchesAll)
  },
)

t.test('its address and token are in no log line and no answer, and connections are kept', async t => {
  const service = await startService(t, say({ allowed: true }))
  const secrets = [
    'gatekeeper',
    'pass%2Fword',
    'pass/word',
    Buffer.from('gatekeeper:pass/word').toString('base64'),
  ]
  const { AUTHORIZE_URL = '' } = service.env
  const env = { AUTHORIZE_URL: AUTHORIZE_URL.replace('//', '//gatekeeper:pass%2Fword@'), LOG_LEVEL: 'trace' }
  const program = await startProcess(t, {
    env: { ...env, AUTHORIZE_TOKEN: '' },
    databaseUrl: (await createDatabase(t)).url,
  })
  const ask = async (stream: string) =>
    (
      await fetch(`${program.url}/api/events?stream=${stream}`, {
        headers: { ...as('viewer'), accept: 'application/json' },
      })
    ).text()

  for (let n = 0; n < 20; n++) await ask(`calm-${n}`)
  const { connections } = service
  const answers: string[] = []
  const failures: Reply[] = [
    (_, response) => response.destroy(),
    (_, response) => response.writeHead(500).end(),
    (_, response) => response.setHeader('content-type', 'text/html').end('no'),
    say({ allowed: 'yes' }),
  ]
  for (const [n, reply] of failures.entries()) {
    service.reply = reply
    answers.push(await ask(`failing-${n}`))
  }
  service.close()
  answers.push(await ask('closed'))
  await program.stop()
  const written = program.output()

  t.equal(connections, 1, 'twenty questions, one connection')
  t.ok(service.tokens.every(text => text === `Basic ${secrets[3]}`))
  t.match(written, 'gives no answer')
  t.strictSame(
    [...secrets, new URL(AUTHORIZE_URL).pathname].filter(secret =>
      `${written}${answers.join('')}`.includes(secret),
    ),
    [],
  )
})

async function page(gateway: Gateway, stream: string) {
  const response = await fetch(`${gateway.url}/api/events?stream=${stream}`, {
    headers: { ...as('viewer'), accept: 'application/json', 'x-request-id': 'same' },
  })
  return { status: response.status, body: (await response.json()) as object }
}
