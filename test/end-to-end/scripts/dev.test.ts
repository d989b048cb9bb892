/** `npm run dev` on a copy of the sources: what happens to the gateway and to the embedded Postgres when they change. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { freePort } from '../../harness/port.js'
import { execute, temporaryFolder } from '../../harness/server.js'
import { until } from '../../harness/until.js'

const SOURCES = [
  'src',
  'plugins',
  'routes',
  'server',
  'clients/typescript',
  'migrations',
  'console',
  'scripts',
]
const PROJECT = ['package.json', 'tsconfig.json', 'tsconfig.product.json']
/** The first time it compiles everything, and makes a database. */
const PATIENCE_MS = 60_000
const ROUTE = 'routes/health.ts'

t.test(
  'a change restarts the gateway, a fault in it leaves it running, and Postgres never stops',
  async t => {
    const { folder, port, ...dev } = await startDev(t)
    const route = await readFile(join(folder, ROUTE), 'utf8')
    const write = (text: string) => writeFile(join(folder, ROUTE), text)
    const at = (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`).then(
        ({ status }) => status,
        () => undefined,
      )
    await until('it serves', async () => (await at('/health')) === 200, PATIENCE_MS)
    const database = await readFile(join(folder, 'data/url'), 'utf8')
    const startedAt = () => execute(database.trim(), 'select pg_postmaster_start_time()::text as at')
    const { rows: before } = await startedAt()

    await write(route.replaceAll("'/health'", "'/changed'"))
    await until('it serves the new route', async () => (await at('/changed')) === 200, PATIENCE_MS)

    await write(`${route.replaceAll("'/health'", "'/faulty'")}const number: string = 1\n`)
    await until('it reports the fault', () => dev.output().includes('is still running'), PATIENCE_MS)
    t.equal(await at('/changed'), 200)
    t.match(dev.output(), /routes\/health\.ts\(\d+,\d+\): error TS2322/)

    await write(route.replaceAll("'/health'", "'/mended'"))
    await until('it serves again', async () => (await at('/mended')) === 200, PATIENCE_MS)
    t.strictSame((await startedAt()).rows, before)

    dev.interrupt()
    t.equal(await dev.code(), 0)
    t.equal(await at('/mended'), undefined)
    await t.rejects(startedAt())
  },
)

async function startDev(t: Test) {
  const folder = await temporaryFolder()
  await Promise.all(
    [...SOURCES, ...PROJECT].map(name =>
      cp(join(packageRoot, name), join(folder, name), { recursive: true }),
    ),
  )
  await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
  const port = await freePort()
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['scripts/dev.mjs'], {
    cwd: folder,
    env: { PATH, HOME, PORT: `${port}`, HOST: '127.0.0.1', LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await closed
    await rm(folder, { recursive: true, force: true })
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  return {
    ...{ folder, port },
    output: () => output,
    interrupt: () => child.kill('SIGINT'),
    async code() {
      await closed
      return child.exitCode
    },
  }
}
