import { rm } from 'node:fs/promises'
import t from 'tap'
import { runProgram } from '../../../server/cli/program.js'
import { openTerminal } from '../../../server/cli/terminal.js'
import { runCommand } from '../../harness/command.js'
import { createDatabase, createEmptyDatabase } from '../../harness/database.js'
import { as, startGateway } from '../../harness/gateway.js'
import { freePort } from '../../harness/port.js'
import { startProcess } from '../../harness/process.js'
import { temporaryFolder } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const KEY = /^slk_([0-9a-z]{12})_[0-9A-Za-z]{43}\n$/

const key = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCommand(['key', ...args], env)

async function status(url: string, apiKey: string): Promise<number> {
  return (await fetch(`${url}/api/items`, { headers: { 'x-api-key': apiKey } })).status
}

t.test('the command line creates the first key and prints only the key to standard output', async t => {
  const gateway = await startGateway(t)
  const env = { DATABASE_URL: gateway.databaseUrl }

  const made = await key(['create', '--workspace', 'acme', '--role', 'admin', '--name', 'first'], env)

  t.match(made, { code: 0, out: KEY, told: /not shown again.*X-API-Key/s })
  const apiKey = made.out.trim()
  t.notMatch(made.told, apiKey.split('_')[2])
  t.equal(await status(gateway.url, apiKey), 200)
  const listed = await fetch(`${gateway.url}/api/keys`, { headers: { 'x-api-key': apiKey } })
  t.match(await listed.json(), {
    keys: [{ name: 'first', role: 'admin', created_by: /^command-line:/, expires_at: null }],
  })
})

t.test('the permissions of a key are printed when it is created, and in the list', async t => {
  const { url } = await createDatabase(t)
  const env = { DATABASE_URL: url }
  const common = ['create', '--workspace', 'acme', '--role', 'viewer']

  const office = await key([...common, '--name', 'office wall', '--allow-ip', '203.0.113.0/24,::1'], env)
  const soon = await key([...common, '--name', 'soon', '--expires', '90d', '--allow-ip', '10.0.0.1'], env)
  const dated = await key([...common, '--name', 'dated', '--expires', '2999-12-31T12:00:00+02:00'], env)
  const { code, out } = await key(['list', '--workspace', 'acme'], env)
  const foreign = await key(['list', '--workspace', 'globex'], env)

  t.same([office.code, soon.code, dated.code, code], [0, 0, 0, 0])
  const [head, ...lines] = out.trimEnd().split('\n')
  t.match(head, /^ID +NAME +ROLE +STATE +ENDS +FROM +LAST USED +CREATED +IMPORTED$/)
  t.match(lines, [
    /^\w{12} {2}dated +viewer {2}active {2}2999-12-31 10:00Z {2}anywhere +never/,
    /^\w{12} {2}soon +viewer {2}active {2}\d{4}-\d\d-\d\d \d\d:\d\dZ {2}10\.0\.0\.1\/32 +never/,
    /^\w{12} {2}office wall {2}viewer {2}active {2}never +203\.0\.113\.0\/24,::1\/128 {2}never/,
  ])
  t.notMatch(out, office.out.trim().split('_')[2])
  t.same(foreign.out.trimEnd().split('\n').length, 1)
})

t.test('a key is rotated and revoked by its id, at once for the gateways too', async t => {
  const gateway = await startGateway(t)
  const env = { DATABASE_URL: gateway.databaseUrl }
  const first = await key(['create', '--workspace', 'acme', '--role', 'viewer', '--name', 'import'], env)
  const [old = '', id = ''] = [first.out.trim(), first.out.split('_')[1]]
  t.equal(await status(gateway.url, old), 200)

  const rotated = await key(['rotate', id, '--overlap', '60'], env)
  const next = rotated.out.trim()
  t.match(rotated, { code: 0, out: KEY, told: new RegExp(`in place of ${id}`) })
  t.same([await status(gateway.url, old), await status(gateway.url, next)], [200, 200])
  t.match((await key(['list', '--workspace', 'acme'], env)).out, new RegExp(`^${id} .* replaced `, 'm'))

  t.match(await key(['revoke', id], env), { code: 0, out: '', told: /revoked/ })
  t.match(await key(['revoke', id], env), { code: 0 }, 'twice is fine')
  await until('it is refused', async () => (await status(gateway.url, old)) === 401)
  t.equal(await status(gateway.url, next), 200)
  t.match(await key(['rotate', id], env), { code: 1, out: '', told: /no longer works/ })
  const audit = await fetch(`${gateway.url}/api/audit`, { headers: as('admin') })
  const { entries } = (await audit.json()) as { entries: { action: string }[] }
  t.match(
    entries.filter(({ action }) => action.startsWith('key.')),
    [
      { action: 'key.revoked', principal: /^command-line:/, address: null },
      { action: 'key.rotated' },
      { action: 'key.created' },
    ],
  )
})

t.test('the embedded database of a running gateway is found by its folder', async t => {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
  const env = { DATA_DIR: folder }
  const gateway = await startProcess(t, { env })

  const made = await key(['create', '--workspace', 'acme', '--role', 'viewer', '--name', 'first'], env)

  t.match(made, { code: 0, out: KEY })
  t.equal(await status(gateway.url, made.out.trim()), 200)
  t.equal(await gateway.stop(), 0)
  t.match(await key(['list', '--workspace', 'acme'], env), { code: 1, out: '', told: /No gateway/ })
})

t.test('wrong usage is reported with the usage, before the database is queried', async t => {
  const fine = ['create', '--workspace', 'acme', '--role', 'viewer', '--name', 'x']
  const secret = `slk_0123456789ab_${'s'.repeat(43)}`
  const cases: [args: string[], told: RegExp][] = [
    [[], /No command given/],
    [['make'], /Unknown command "make"/],
    [[secret], /Unknown command\./],
    [[...fine, '--nmae', 'x'], /--nmae/],
    [[...fine, 'acme'], /Too many arguments/],
    [['create', '--role', 'viewer', '--name', 'x'], /--workspace is required/],
    [['create', '--workspace', 'two words', '--role', 'viewer', '--name', 'x'], /--workspace is required/],
    [['create', '--workspace', 'acme', '--role', 'owner', '--name', 'x'], /--role must be one of viewer, /],
    [['create', '--workspace', 'acme', '--role', 'viewer'], /--name is required/],
    [[...fine, '--expires', '2020-01-01'], /--expires must be a time in the future/],
    [[...fine, '--expires', 'tomorrow'], /--expires must be/],
    [[...fine, '--expires', '0d'], /--expires must be/],
    [[...fine, '--allow-ip', '10.0.0.1/8'], /--allow-ip: "10.0.0.1\/8" is not an IP address/],
    [[...fine, '--overlap', '5'], /Unknown option '--overlap'/],
    [['list'], /--workspace is required/],
    [['rotate'], /exactly one argument: the key id/],
    [['rotate', '0123456789ab', '--overlap', '-1'], /--overlap/],
    [['rotate', '0123456789ab', '--overlap', '99999999'], /--overlap must be/],
    [['revoke', secret], /ID must be the id of a key: the part between its underscores/],
    [['revoke', '0123456789ab', secret], /Too many arguments/],
  ]

  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  const terminal = openTerminal(env)

  for (const [args, told] of cases) {
    const written = t.capture(process.stderr, 'write', (_text: string, done?: () => void) => {
      done?.()
      return true
    })
    const code = await runProgram(['key', ...args], env, terminal)
    written.restore()
    const text = written()
      .map(call => call.args[0])
      .join('')

    t.equal(code, 2, args.join(' '))
    t.match(text, told)
    t.match(text, /Usage: sluice key /)
    t.notMatch(text, 'sssss', 'a key that was given by mistake is not repeated')
  }
  t.match(await key(['make'], {}), { code: 2, out: '', told: /Unknown command "make"/ })
  const help = await key(['--help'])
  t.match(help, { code: 0, out: /create .*--workspace NAME.*Exit codes/s, told: '' })
})

t.test('a missing or foreign database is reported with the remedy', async t => {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true }))
  const empty = await createEmptyDatabase(t)
  const list = ['list', '--workspace', 'acme']

  const [nothing, away, foreign, wrong, unknown] = await Promise.all([
    key(list, { DATA_DIR: folder }),
    key(list, { DATABASE_URL: `postgres://127.0.0.1:${await freePort()}/none` }),
    key(list, { DATABASE_URL: empty.url }),
    key(list, { DATABASE_URL: 'mysql://db' }),
    createDatabase(t).then(({ url }) => key(['revoke', '0123456789ab'], { DATABASE_URL: url })),
  ])

  t.match(nothing, { code: 1, out: '', told: /No gateway .* runs on .*npm start.*DATABASE_URL/ })
  t.match(away, { code: 1, told: /cannot be reached\. Check DATABASE_URL/ })
  t.match(foreign, { code: 1, told: /no Sluice tables.*Start the gateway/ })
  t.match(wrong, {
    code: 2,
    told: /DATABASE_URL .* Write a URL such as postgres:\/\/name@host:5432\/database/,
  })
  t.match(unknown, { code: 1, told: /There is no key 0123456789ab.*key list/ })
})
