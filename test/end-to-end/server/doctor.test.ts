/** `sluice doctor` as a program: a gateway with its database, with another one, with fewer rights, and what is no gateway. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { createDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { token } from '../../harness/tokens.js'

interface Report {
  readonly findings: readonly Readonly<Record<'check' | 'verdict' | 'text' | 'remedy', string>>[]
}

async function examine(env: Readonly<Record<string, string>>, ...args: string[]) {
  const { code, out } = await runCommand(['doctor', '--json', ...args], env)
  const { findings } = JSON.parse(out) as Report
  // The server of the tests is not durable, on purpose.
  const ours = findings.filter(({ check }) => !['database-durability', 'database-settings'].includes(check))
  return {
    code,
    unwell: ours.filter(({ verdict }) => verdict !== 'ok').map(({ check, verdict }) => `${check} ${verdict}`),
    textOf: (name: string) =>
      ours
        .filter(({ check }) => check === name)
        .map(({ text, remedy }) => `${text} ${remedy}`)
        .join(' '),
  }
}

/** Examines again where a machine that stood still for a second was taken for a fault: a wrong verdict would be there again. */
async function settled(expected: readonly string[], look: () => ReturnType<typeof examine>) {
  let report = await look()
  for (let times = 1; times < 3 && report.unwell.join() !== expected.join(); times += 1) report = await look()
  return report
}

t.test('a gateway and its database are found in order, and each thing that is wrong is found', async t => {
  const [gateway, silent] = await Promise.all([
    startGateway(t, { env: { HEARTBEAT_MS: '1000', BUS_NOTIFY: 'on' } }),
    startGateway(t, { env: { BUS_NOTIFY: 'off' } }),
  ])
  const { url, databaseUrl } = gateway
  await publish(gateway, { type: 'door.opened', data: {} })
  const other = await createDatabase(t)
  const admin = { SLUICE_URL: url, SLUICE_TOKEN: token({ role: 'admin', workspace: 'acme', sub: 'root' }) }
  const viewer = { SLUICE_URL: url, SLUICE_TOKEN: token({ role: 'viewer', workspace: 'acme', sub: 'eve' }) }
  const stranger = createServer((_, response) => void response.end('hello'))
  const wrongClock = createServer(async (request, response) => {
    const { status, headers, body } = await fetch(url + request.url, {
      headers: { authorization: request.headers.authorization ?? '' },
    })
    response.writeHead(status, {
      'content-type': headers.get('content-type') ?? '',
      date: new Date(Date.now() - 3_600_000).toUTCString(),
    })
    for await (const chunk of body ?? []) response.write(chunk)
    response.end()
  })
  for (const server of [stranger, wrongClock]) {
    await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.closeAllConnections())
    t.teardown(() => server.close())
  }
  const at = (server: typeof stranger) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const unknownToViewers = [
    'database-reached unknown',
    'gateway-nodes unknown',
    'gateway-database-clock unknown',
    'sse-buffering unknown',
  ]
  const quickly = ['database-reached unknown', 'sse-timeout unknown']
  const [whole, apart, few, none, refused] = await Promise.all([
    settled([], () => examine({ ...admin, DATABASE_URL: databaseUrl }, '--wait', '20')),
    examine({ ...admin, DATABASE_URL: other.url }, '--quick'),
    settled(unknownToViewers, () => examine(viewer, '--wait', '20')),
    examine({ SLUICE_URL: url }),
    examine({ ...admin, SLUICE_TOKEN: 'nonsense' }),
  ])
  const [off, dead, foreign, late, quick] = await Promise.all([
    examine({ ...admin, SLUICE_URL: silent.url }, '--quick'),
    examine({ ...admin, SLUICE_URL: `http://127.0.0.1:${await freePort()}` }),
    examine({ ...admin, SLUICE_URL: at(stranger) }),
    examine({ ...viewer, SLUICE_URL: at(wrongClock) }, '--quick'),
    settled(quickly, () => examine(admin, '--quick')),
  ])

  t.strictSame(whole.unwell, [])
  t.match(whole.textOf('same-database'), /uses this database/)
  t.match(whole.textOf('sse-timeout'), /survives \d+(\.\d)? s of silence/)
  t.strictSame(
    [apart.code, apart.unwell.filter(found => found.startsWith('same'))],
    [1, ['same-database fault']],
  )
  t.match(apart.textOf('same-database'), /does not use this database/)
  t.strictSame([few.code, few.unwell], [0, unknownToViewers])
  t.match(none.unwell, ['database-reached unknown', 'gateway-credentials unknown'])
  t.equal(none.code, 0)
  t.match(
    [refused.code, refused.textOf('gateway-credentials')],
    [1, /refuses the credentials: .*401.*sluice login/],
  )
  t.match(off.textOf('gateway-bus'), /NOTIFY is switched off/)
  t.match([dead.code, dead.textOf('gateway-reached')], [1, /No gateway answers .*ECONNREFUSED/])
  t.match([foreign.code, foreign.textOf('gateway-reached')], [1, /is no gateway: status 200/])
  t.match([late.code, late.textOf('gateway-clock')], [1, /60 min behind/])
  t.strictSame(quick.unwell, quickly)

  await fetch(`${url}/api/server/state`, {
    method: 'PUT',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: '{"mode":"maintenance"}',
  })
  const maintained = await examine(admin, '--quick')
  t.match(maintained.textOf('gateway-ready'), /Maintenance is on/)
})

t.test('for a person it prints lines with remedies, and a summary', async t => {
  const gateway = await startGateway(t)
  const env = { DATABASE_URL: gateway.databaseUrl, SLUICE_URL: gateway.url }

  const [shown, wrong, invalid] = await Promise.all([
    runCommand(['doctor', '--quick'], env),
    runCommand(['doctor', '--wait', 'long'], env),
    runCommand(['doctor'], { DATABASE_URL: 'mysql://x' }),
  ])

  t.match(shown.out, /^ok {15}The server runs PostgreSQL .* \[database-version\]$/m)
  t.match(
    shown.out,
    /^could not check {2}Doctor has no credentials, .* \[gateway-credentials\]\n {17}→ Log in/m,
  )
  t.match(shown.out, /\n\n\d+ faults?, \d+ warnings?, \d+ ok, \d+ could not be checked\.\n$/)
  t.match(wrong, { code: 2, told: /--wait must be a whole number/ })
  t.match(invalid, { code: 2, told: /DATABASE_URL/ })
})
