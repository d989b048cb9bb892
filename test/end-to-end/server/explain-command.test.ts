import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const ADMIN = token({ role: 'admin', workspace: 'acme', sub: 'root' })

const explain = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCommand(['explain', ...args], { SLUICE_TOKEN: ADMIN, ...env })

t.test('the command line says in words, or as JSON, why a client did not get an event', async t => {
  const { url } = await startGateway(t)
  const stream = await openStream(t, `${url}/api/events?types=door.*`, { headers: as('viewer') })
  await stream.until(1)
  const [id = ''] = await publish({ url }, { type: 'thing.made', data: {} })
  await until('it has passed the event', async () => {
    const answer = await fetch(`${url}/api/clients`, { headers: as('admin') })
    return Object(await answer.json()).clients[0].cursor === id
  })

  const words = await explain([id, '--principal', 'viewer-of-acme', '--url', url])
  const json = await explain([id, '--json'], { SLUICE_URL: `${url}/` })
  const nobody = await explain([id, '--principal', 'nobody', '--url', url])
  const elsewhere = await explain(['7.aaaaaa', '--stream', 'rooms/1', '--url', url])

  t.match(words, { code: 0, told: '' })
  t.match(
    words.out,
    /^filtered-by-type: The event .* asked for the types door\.\*\. The event is a thing\.made\.\n/,
  )
  t.match(words.out, /^Event\n {2}id +\S+ in feed, stored\n {2}type +thing\.made\n/m)
  t.match(
    words.out,
    /^Clients\n {2}[0-9a-f-]{36} {2}viewer-of-acme {2}127\.0\.0\.1 {2}feed {2}opened \S+ {2}open/m,
  )
  t.match(JSON.parse(json.out), { cause: 'filtered-by-type', clients: [{ principal: 'viewer-of-acme' }] })
  t.match(nobody.out, /^not-connected: /)
  t.match(elsewhere, { code: 0, out: /^never-existed: The workspace has no stream rooms\/1/ })
})

t.test('each failure says what happened and what to do', async t => {
  const { url } = await startGateway(t)
  const stranger = createServer((_, response) => void response.end('hello'))
  await new Promise<void>(resolve => void stranger.listen(0, '127.0.0.1', resolve))
  t.teardown(() => stranger.close())
  const at = (port: number) => ['7.aaaaaa', '--url', `http://127.0.0.1:${port}`]
  const viewer = { SLUICE_TOKEN: token({ role: 'viewer', workspace: 'acme', sub: 'eve' }) }

  const dead = await explain(at(await freePort()))
  const wrong = await explain(at((stranger.address() as AddressInfo).port))
  const forbidden = await explain(['7.aaaaaa', '--url', url], viewer)
  const unknown = await explain(['7.aaaaaa', '--url', url], { SLUICE_TOKEN: 'nonsense' })
  const malformed = await explain(['seven', '--url', url])

  t.match(dead, {
    code: 4,
    out: '',
    told: /No gateway answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\. Start it/,
  })
  t.match(wrong, { code: 1, told: /did not send JSON: check the URL/ })
  t.match(forbidden, { code: 3, told: /\(403 role-too-low\) The credential is from SLUICE_TOKEN/ })
  t.match(unknown, { code: 3, told: /\(401 \S+\) The credential is from SLUICE_TOKEN: log in/ })
  t.match(malformed, { code: 3, told: /An event id looks like/ })
})

t.test('wrong usage ends it before anything is asked', async t => {
  const cases: [args: string[], env: Record<string, string>, text: RegExp][] = [
    [[], {}, /exactly one argument/],
    [['1.aaaaaa', '2.aaaaaa'], {}, /exactly one argument/],
    [['1.aaaaaa', '--colour', 'red'], {}, /Unknown option '--colour'/],
    [['1.aaaaaa', '--url', 'ftp://x'], {}, /--url must begin with http/],
    [['1.aaaaaa'], { SLUICE_TOKEN: '' }, /There is no credential .*sluice login/],
  ]

  const answers = []
  for (const [args, env] of cases) answers.push(await explain(args, env))
  const help = await explain(['--help'])

  t.match(
    answers,
    cases.map(([, , told]) => ({ code: 2, out: '', told })),
  )
  t.match(help, {
    code: 0,
    out: /^Usage: sluice explain \[options\] EVENT\n.*Exit codes: 0 explained, 1 failed, 2 wrong usage, 3 refused/s,
  })
})
