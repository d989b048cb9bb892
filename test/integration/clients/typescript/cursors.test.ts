/** Cursors of the TypeScript client in a file, and in the application's own Postgres. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import pg from 'pg'
import t from 'tap'
import { createClient } from '../../../../clients/typescript/src/client.js'
import { fileCursor } from '../../../../clients/typescript/src/file-cursor.js'
import { packageRoot } from '../../../../src/process/package-root.js'
import { createDatabase } from '../../../harness/database.js'
import { publish, startGateway } from '../../../harness/gateway.js'
import { temporaryFolder } from '../../../harness/server.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const events = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ type: 'door.opened', data: { n: first + index } }))

t.test('a program that starts again continues after the last event that it has handled', async t => {
  const gateway = await startGateway(t)
  const path = join(await temporaryFolder(), 'cursors.json')
  const client = createClient({ url: gateway.url, credentials: token() })
  await publish(gateway, events(1, 3))
  const seen: unknown[] = []
  const follow = async (stopAt: number, types: string[]) => {
    for await (const { data } of client.feed({ types, from: 'beginning', cursor: fileCursor(path) })) {
      seen.push(Reflect.get(data, 'n'))
      // Leaving the loop in the middle of an event: it has not been handled.
      if (Reflect.get(data, 'n') === stopAt) break
    }
  }

  await follow(2, ['door.opened'])
  await follow(3, ['door.opened'])
  await follow(1, ['door.*'])

  t.strictSame(
    seen,
    [1, 2, 2, 3, 1],
    'an event without its end comes again; another filter has a place of its own',
  )
  t.equal((await stat(path)).mode & 0o777, 0o600)
  const keys = Object.keys(JSON.parse(await readFile(path, 'utf8')))
  t.strictSame(
    keys,
    ['door.opened', 'door.*'].map(types => `${gateway.url}/api/events?types=${types}`),
  )
})

t.test('at-most-once: a program that ends while it handles an event does not get it again', async t => {
  const gateway = await startGateway(t)
  const path = join(await temporaryFolder(), 'cursors.json')
  const client = createClient({ url: gateway.url, credentials: token() })
  await publish(gateway, events(1, 3))
  const seen: unknown[] = []
  const follow = async (stopAt: number) => {
    const options = { from: 'beginning', cursor: fileCursor(path), mode: 'at-most-once' } as const
    for await (const { data } of client.feed(options)) {
      seen.push(Reflect.get(data, 'n'))
      if (Reflect.get(data, 'n') === stopAt) break
    }
  }

  await follow(2)
  await follow(3)

  t.strictSame(seen, [1, 2, 3])
})

t.test('a save replaces the file as a whole, and says what is wrong with it', async t => {
  const folder = await temporaryFolder()
  const path = join(folder, 'cursors.json')
  const stores = fileCursor(path)
  await Promise.all(['a', 'b', 'c'].map(key => stores(key).save(`1.${key}`)))
  t.strictSame(JSON.parse(await readFile(path, 'utf8')), { a: '1.a', b: '1.b', c: '1.c' })
  t.equal(await fileCursor(path)('b').load(), '1.b')
  t.equal(await fileCursor(path)('d').load(), undefined)
  t.strictSame(await readdir(folder), ['cursors.json'], 'no unfinished file is left')

  await mkdir(`${path}.${process.pid}.tmp`)
  await t.rejects(stores('a').save('2.a'), { code: 'EISDIR' })
  t.equal(await fileCursor(path)('a').load(), '1.a', 'a failed save leaves the previous cursors')
  await writeFile(path, '["1.a"]')
  await t.rejects(fileCursor(path)('a').load(), /holds no cursors/)
})

t.test(
  'examples/javascript/exactly-once-pg.mjs copies each event once, whenever it is interrupted',
  async t => {
    const gateway = await startGateway(t)
    const { url } = await createDatabase(t)
    const pool = new pg.Pool({ connectionString: url })
    t.teardown(() => pool.end())
    await pool.query('create table doors (id text primary key, data jsonb not null)')
    await pool.query('create table cursors (key text primary key, id text not null)')
    const program = join(packageRoot, '.build/exactly-once-pg.mjs')
    await build({
      entryPoints: [join(packageRoot, 'examples/javascript/exactly-once-pg.mjs')],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['pg'],
      alias: { 'sluice-client': join(packageRoot, 'clients/typescript/src/client.ts') },
    })
    const { PATH = '' } = process.env
    const env = { PATH, DATABASE_URL: url, SLUICE_URL: gateway.url, SLUICE_TOKEN: token() }
    const rows = async () =>
      (
        await pool.query<{ n: number }>(
          "select (data->>'n')::int n from doors order by split_part(id, '.', 1)::bigint",
        )
      ).rows.map(({ n }) => n)
    await publish(gateway, events(1, 300))

    for (const count of [100, 200, 300]) {
      const child = spawn(process.execPath, [program], { env, stdio: 'inherit' })
      t.teardown(() => child.kill('SIGKILL'))
      await until(`it has copied ${count}`, async () => (await rows()).length >= count)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }

    t.strictSame(
      await rows(),
      Array.from({ length: 300 }, (_, index) => index + 1),
    )
    const { rows: saved } = await pool.query('select id from cursors')
    t.equal(saved.length, 1)
  },
)
