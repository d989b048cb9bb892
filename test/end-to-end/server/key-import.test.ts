/** `sluice key import`, as an operator runs it who moves the keys of a former system. */
import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from '../../harness/command.js'
import { as, startGateway } from '../../harness/gateway.js'
import { temporaryFolder } from '../../harness/server.js'
import { bearer } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const CI = `sk_live_${'c'.repeat(24)}`
const DESK = `sk_live_${'d'.repeat(24)}`

t.test('an import tells what happened to each entry, and a second one changes nothing', async t => {
  const { url, databaseUrl } = await startGateway(t)
  const env = { DATABASE_URL: databaseUrl, JWT_ROLE_MAP: 'owner=admin,member=editor' }
  const lines = [
    { prefix: 'sk_live_cc', sha256: sha256(CI), role: 'member', name: 'CI' },
    { prefix: 'sk_live_dd', sha256: sha256(DESK, 'base64'), role: 'owner', expires_at: '2999-01-31' },
    {
      prefix: 'sk_live_bc',
      sha256: '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW',
      role: 'member',
    },
    { prefix: 'sk_live_cc', sha256: sha256(CI), role: 'member' },
  ].map(entry => JSON.stringify(entry))
  const file = await fileWith(t, [...lines, 'no JSON'].join('\n'))
  // Tried too early, and remembered as unknown by the gateway.
  t.equal(await status(url, CI), 401)

  const first = await key(['import', file, '--workspace', 'acme'], env)
  const second = await key(['import', file, '--workspace', 'acme'], env)
  const good = await key(['import', '-', '--workspace', 'acme'], env, `[${lines[0]},${lines[1]}]`)
  const elsewhere = await key(['import', '-', '--workspace', 'globex'], env, lines[0])

  t.match(first, { code: 1, told: '2 imported, 0 already there, 3 refused.\n' })
  t.match(first.out.trimEnd().split('\n'), [
    /^line 1 sk_live_cc: imported as [0-9a-z]{12}, role editor$/,
    /^line 2 sk_live_dd: imported as [0-9a-z]{12}, role admin$/,
    /^line 3: refused: sha256 is bcrypt\. Only the unsalted SHA-256 of the whole key can be imported: issue a new key\.$/,
    /^line 4 sk_live_cc: refused: it is the same key as in line 1\.$/,
    /^line 5: refused: this is not a JSON object\.$/,
  ])
  t.match(second, {
    code: 1,
    out: /line 1 sk_live_cc: imported before as/,
    told: /^0 imported, 2 already there, 3 refused/,
  })
  t.match(good, {
    code: 0,
    out: /^entry 1 .*\nentry 2 .*\n$/,
    told: /^0 imported, 2 already there, 0 refused/,
  })
  t.match(elsewhere, { code: 1, out: /refused: it is a key of workspace acme\.$/m })
  t.notMatch(first.out + first.told, sha256(CI))
  await until('the gateway has heard of it', async () => (await status(url, CI)) === 200)
  t.equal((await fetch(`${url}/api/items`, { headers: bearer(DESK) })).status, 200)
  const { keys } = Object(await (await fetch(`${url}/api/keys`, { headers: { 'x-api-key': DESK } })).json())
  t.match(keys, [
    {
      prefix: 'sk_live_dd',
      name: 'imported sk_live_dd',
      role: 'admin',
      expires_at: '2999-01-31T00:00:00.000Z',
    },
    { prefix: 'sk_live_cc', name: 'CI', role: 'editor', created_by: /^command-line:/, expires_at: null },
  ])
  t.match((await key(['list', '--workspace', 'acme'], env)).out, /^\w{12} {2}CI .* sk_live_cc…/m)
  const audit = await fetch(`${url}/api/audit?action=key.imported`, { headers: as('admin') })
  t.match(Object(await audit.json()).entries, [
    { details: { prefix: 'sk_live_dd' } },
    { details: { name: 'CI' } },
  ])
  t.match(await key(['revoke', keys[1].id], env), { code: 0 })
  await until('it is refused', async () => (await status(url, CI)) === 401)
  t.match(await key(['import', '-', '--workspace', 'acme'], env, lines[0]), {
    code: 0,
    out: /and revoked since$/m,
  })
  t.equal(await status(url, CI), 401, 'an import does not bring a revoked key back')
})

t.test('a file that cannot be imported, or wrong usage, is reported with the remedy', async t => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  const importing = (text: string, more = {}) =>
    key(['import', '-', '--workspace', 'acme'], { ...env, ...more }, text)

  t.match(await importing(''), { code: 1, told: 'The file holds no key.\n' })
  t.match(await importing('[{]'), { code: 1, told: /begins with \[, but is not a JSON array/ })
  t.match(await importing('{}\n'.repeat(10_001)), {
    code: 1,
    told: /holds 10001 keys\. Import at most 10000/,
  })
  t.match(await importing('x'.repeat(9 * 1024 * 1024)), {
    code: 1,
    told: /larger than 8388608 bytes\. Divide it/,
  })
  t.match(await key(['import', '/nowhere', '--workspace', 'acme'], env), { code: 1, told: /\/nowhere/ })
  t.match(await importing('{}', { JWT_ROLE_MAP: 'owner=boss' }), {
    code: 2,
    told: /JWT_ROLE_MAP: the entry "owner=boss" is wrong/,
  })
  t.match(await key(['import', '--workspace', 'acme'], env), {
    code: 2,
    told: /exactly one argument: the file/,
  })
  t.match(await key(['import', 'file'], env), { code: 2, told: /--workspace is required/ })
  t.match(await key(['import', 'file', '--workspace', 'acme', '--role', 'admin'], env), {
    code: 2,
    told: /Unknown option '--role'/,
  })
})

function sha256(text: string, form: 'hex' | 'base64' = 'hex'): string {
  return createHash('sha256').update(text).digest(form)
}

async function fileWith(test: Test, text: string): Promise<string> {
  const folder = await temporaryFolder()
  test.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'keys.jsonl')
  await writeFile(file, text)
  return file
}

function key(args: readonly string[], env: Readonly<Record<string, string>>, input?: string) {
  return runCommand(['key', ...args], env, input)
}

async function status(url: string, apiKey: string): Promise<number> {
  return (await fetch(`${url}/api/items`, { headers: { 'x-api-key': apiKey } })).status
}
