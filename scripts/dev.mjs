// npm run dev: a gateway that is compiled and restarted after every change of its sources, on an embedded Postgres that keeps
// running meanwhile, unless DATABASE_URL names another one. Arguments go to the gateway.
//
// If a change does not compile, the old gateway keeps running. If the new gateway fails, none runs until the next change.
// Ctrl-C ends the gateway, then Postgres.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** The files of the program, which a gateway reads when it starts, and those of the console. */
const WATCHED = ['src', 'plugins', 'routes', 'server', 'clients/typescript/src', 'migrations', 'console']
/** Editors, and git even more so, write several times for one change. */
const QUIET_MS = 100
/** Ends the gateway if this process is killed. */
const parentWatch = join(root, 'scripts/parent.mjs')

let gateway
let database
let databaseUrl = process.env.DATABASE_URL
let isStopping = false
/** One change is handled at a time; the changes that arrive meanwhile are then handled together. */
let isHandling = false
let isChanged = false
let quiet

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
for (const folder of WATCHED) watch(join(root, folder), { recursive: true }, onChange)
await handleChanges().catch(fail)

function onChange() {
  clearTimeout(quiet)
  quiet = setTimeout(() => handleChanges().catch(fail), QUIET_MS)
}

async function handleChanges() {
  isChanged = true
  if (isHandling) return
  isHandling = true
  while (isChanged && !isStopping) {
    isChanged = false
    if (await compiles()) await restart()
    else say(gateway ? 'The last version that compiled is still running.' : 'Waiting for a change.')
  }
  isHandling = false
}

async function compiles() {
  const [code] = await once(run('scripts/compile.mjs', 'product'), 'exit')
  return code === 0
}

async function restart() {
  await stopGateway()
  databaseUrl ??= await startDatabase()
  if (isStopping) return
  const started = run('--import', parentWatch, 'dist/server/main.js', ...process.argv.slice(2))
  gateway = started
  started.once('exit', code => {
    if (gateway !== started) return
    gateway = undefined
    say(`The gateway ended by itself (${code ?? 'by a signal'}). It starts again after the next change.`)
  })
}

/** In a separate process group: Ctrl-C reaches only this process. A gateway that received it twice would not drain. */
function run(...args) {
  const env = { DRAIN_MS: '0', ...process.env, ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}) }
  return spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit', detached: true })
}

async function stopGateway() {
  const running = gateway
  gateway = undefined
  if (!running) return
  running.kill('SIGTERM')
  await once(running, 'exit')
}

async function startDatabase() {
  const { readConfig } = await import('../dist/src/config/config.js')
  const { startEmbedded } = await import('../dist/src/embedded-postgres/embedded-postgres.js')
  const { DATA_DIR, PG_BIN } = readConfig({ DATA_DIR: process.env.DATA_DIR, PG_BIN: process.env.PG_BIN })
  database = await startEmbedded({ dataDir: resolve(root, DATA_DIR), pgBin: PG_BIN })
  return database.url
}

async function stop() {
  if (isStopping) return
  isStopping = true
  await stopGateway()
  await database?.close()
  process.exit()
}

async function fail(error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
  await stop()
}

function say(text) {
  console.error(`[dev] ${text}`)
}
