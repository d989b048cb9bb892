import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { createDatabase } from '../../harness/database.js'
import { temporaryFolder } from '../../harness/server.js'
import { seed } from '../../integration/database/workspace-rows.js'

const workspace = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runCommand(['workspace', ...args], env)

t.test('a workspace is exported to standard output or a file, then deleted', async t => {
  const folder = await temporaryFolder()
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
  const { url, pool } = await createDatabase(t)
  const env = { DATABASE_URL: url }
  await seed(pool, 'acme')
  const file = join(folder, 'acme.ndjson')

  const shown = await workspace(['export', 'acme'], env)
  const written = await workspace(['export', 'acme', '--to', file], env)
  const again = await workspace(['export', 'acme', '--to', file], env)
  const refused = await workspace(['delete', 'acme', '--yes', 'acm'], env)
  const before = await pool.query(`select from sluice.items where workspace = 'acme'`)
  const deleted = await workspace(['delete', 'acme', '--yes', 'acme'], env)
  const after = await pool.query(`select from sluice.items where workspace = 'acme'`)

  const lines = shown.out.trimEnd().split('\n')
  t.match(shown, { code: 0, told: `${lines.length} lines of workspace acme are exported.\n` })
  t.strictSame(JSON.parse(lines.at(-1) ?? ''), { kind: 'end', lines: lines.length })
  t.match(written, { code: 0, out: '' })
  t.match(await readFile(file, 'utf8'), /^\{"kind":"workspace",.*\n\{"kind":"end","lines":\d+\}\n$/s)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.match(again, { code: 1, told: /EEXIST/ })
  t.match(refused, { code: 2, out: '', told: /Nothing was deleted\..*Usage:/s })
  t.match(deleted, { code: 0, out: /^Workspace acme is deleted\. Removed rows: .*items 1/ })
  t.strictSame([before.rowCount, after.rowCount], [1, 0])
  const { rows } = await pool.query(
    `select workspace, action, principal, details->>'workspace' as "of" from sluice.audit`,
  )
  t.match(rows, [
    { workspace: '$system', action: 'workspace.deleted', principal: /^command-line:/, of: 'acme' },
  ])
})

t.test('wrong usage is reported with the usage, before the database is queried', async t => {
  const cases: [args: string[], told: RegExp][] = [
    [[], /No command given/],
    [['erase', 'acme'], /Unknown command "erase"/],
    [['export'], /Expected the name of a workspace/],
    [['export', '$system'], /Expected the name of a workspace/],
    [['export', 'acme', 'globex'], /Too many arguments/],
    [['export', 'acme', '--yes', 'acme'], /Unknown option '--yes'/],
    [['delete', 'acme'], /Nothing was deleted/],
    [['delete', 'acme', '--yes'], /--yes/],
    [['delete', '$system', '--yes', '$system'], /Expected the name of a workspace/],
  ]
  const wrong: string[] = []

  for (const [args, told] of cases) {
    const outcome = await workspace(args, { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
    if (outcome.code !== 2 || !told.test(outcome.told) || !outcome.told.includes('Usage:'))
      wrong.push(args.join(' '))
  }

  t.strictSame(wrong, [])
  t.match(await workspace(['--help']), { code: 0, out: /^Usage: sluice workspace .*--yes NAME/s, told: '' })
})
