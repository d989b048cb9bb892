/**
 * A gateway as a process: reads the configuration, starts the embedded Postgres where no other is named, migrates,
 * listens, and stops on a signal. Exit codes: 0 stopped, 1 failed, 2 wrong usage or configuration.
 */
import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import { developmentSecret, keysOf } from './auth/keys.js'
import { banner } from './banner.js'
import { type Config, ConfigError, readConfig } from './config.js'
import { startEmbedded } from './database/embedded.js'
import { migrate } from './database/migrate.js'
import { type Demo, playDemo } from './demo.js'
import { isDatabaseDown } from './errors.js'
import { describeError, logOptions } from './http-log.js'
import { packageRoot } from './package-root.js'
import { cleanLines, printableJson } from './redaction.js'

const USAGE = `Usage: npm start -- [options]      (or: node dist/src/main.js [serve] [options])

Starts a Sluice gateway. It is configured by environment variables; the README lists them.

  --demo       also play a small stream of item changes in workspace 'demo'
  --help       show this
  --version    show the version

Two other programs tell of themselves: \`npm run runner -- --help\`, which executes the commands that wait in a gateway,
and \`node dist/src/main.js key --help\`, which makes API keys.
`

/** A database that is starting too is waited for; one that is not there is reported. */
const DATABASE_PATIENCE_MS = 60_000
const DATABASE_RETRY_MS = 1_000
/** All of stopping: draining, then closing. */
const STOP_DEADLINE_MS = 30_000
/** What the embedded server says that its owner should know; the rest is its everyday. */
const OF_NOTE = /^(FATAL|PANIC|The embedded)/
const WORKSPACE = 'demo'
const TOKEN_SECONDS = 30 * 24 * 3_600

/** Runs a gateway until a signal ends it. What keeps it from starting is told, and the process left. */
export function serve(args: readonly string[]): void {
  start(args).catch(error => {
    const known = error instanceof ConfigError
    const text = known ? error.faults.join('\n') : `Sluice cannot start: ${messageOf(error)}`
    process.stderr.write(`${cleanLines(text)}\n`)
    process.exit(known ? 2 : 1)
  })
}

async function start(args: readonly string[]): Promise<void> {
  const { demo } = options(args)
  const config = readConfig(process.env)
  const closers: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  closeWithGrace({ delay: STOP_DEADLINE_MS, onSecondError: tellOfCrash }, async ({ err, signal }) => {
    if (err) tellOfCrash(err)
    else if (process.stdout.isTTY) console.log(`\n${signal}: stopping`)
    await stop()
  })
  try {
    await run(config, demo, closers)
  } catch (error) {
    await stop()
    throw error
  }
}

/** As a line of the log, and for the same reasons: an error may carry rows and passwords. */
function tellOfCrash(err: unknown): void {
  const line = { level: 60, time: Date.now(), pid: process.pid, err: describeError(err), msg: 'crashed' }
  process.stderr.write(`${printableJson(JSON.stringify(line))}\n`)
}

async function run(config: Config, demo: boolean, closers: (() => Promise<unknown>)[]): Promise<void> {
  const dataDir = resolve(packageRoot, config.DATA_DIR)
  // Until there is a log to write to, nobody hears the embedded server; a start that fails tells by itself.
  let onLog = (_line: string): void => {}
  const database = await databaseOf(config, dataDir, closers, line => onLog(line))
  await migratePatiently(database.url)
  const secret = config.NODE_ENV === 'production' ? undefined : await developmentSecret(dataDir)
  const keys = keysOf(config, secret)
  const logger = { ...logOptions(config.LOG_LEVEL), ...(await prettyLines(config)) }
  const app = await buildApp({ config, databaseUrl: database.url, keys, logger })
  closers.push(() => app.close())
  onLog = line => app.log[OF_NOTE.test(line) ? 'warn' : 'debug']({ line }, 'postgres')
  await app.listen({ host: config.HOST, port: config.PORT, listenTextResolver: () => 'listening' })

  const tokens = config.NODE_ENV !== 'production' && keys.kind === 'secret' ? signTokens(app) : undefined
  console.log(
    banner({ url: urlOf(app, config.HOST), database: database.description, workspace: WORKSPACE, tokens }),
  )
  if (demo) {
    const onError = (err: unknown) => app.log.warn({ err }, 'The demo cannot change items; it tries again.')
    const playing: Demo = playDemo(app.items, { workspace: WORKSPACE, onError })
    closers.push(() => playing.close())
  }
}

function options(args: readonly string[]): { demo: boolean } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        demo: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    })
    if (values.help) leave(0, USAGE)
    if (values.version) leave(0, `sluice ${version()}\n`)
    return values
  } catch (error) {
    leave(2, `${cleanLines(messageOf(error))}\n\n${USAGE}`)
  }
}

function leave(code: 0 | 2, text: string): never {
  ;(code === 0 ? process.stdout : process.stderr).write(text)
  process.exit(code)
}

function version(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}

async function databaseOf(
  config: Config,
  dataDir: string,
  closers: (() => Promise<unknown>)[],
  onLog: (line: string) => void,
): Promise<{ url: string; description: string }> {
  if (config.DATABASE_URL !== undefined) {
    return { url: config.DATABASE_URL, description: 'DATABASE_URL' }
  }
  const embedded = await startEmbedded({ dataDir, pgBin: config.PG_BIN, onLog })
  closers.push(() => embedded.close())
  return {
    url: embedded.url,
    description: `embedded Postgres in ${relative(process.cwd(), dataDir) || '.'}/`,
  }
}

async function migratePatiently(url: string): Promise<void> {
  const deadline = Date.now() + DATABASE_PATIENCE_MS
  for (;;) {
    try {
      return await migrate(url)
    } catch (error) {
      if (!isDatabaseDown(error) || Date.now() > deadline) throw error
      console.error('The database cannot be reached yet; trying again.')
      await pause(DATABASE_RETRY_MS)
    }
  }
}

/** For a person at a terminal; wherever else the lines go, they are JSON. */
async function prettyLines({ NODE_ENV }: Config) {
  if (NODE_ENV === 'production' || !process.stdout.isTTY) return {}
  const installed = await import('pino-pretty').catch(() => undefined)
  const options = { translateTime: 'HH:MM:ss', ignore: 'pid,hostname,reqId', singleLine: true }
  return installed ? { transport: { target: 'pino-pretty', options } } : {}
}

function signTokens(app: FastifyInstance): { viewer: string; editor: string } {
  const sign = (role: 'viewer' | 'editor') =>
    app.signToken({ id: `demo-${role}`, workspace: WORKSPACE, role }, TOKEN_SECONDS)
  return { viewer: sign('viewer'), editor: sign('editor') }
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : ''
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A plain Error, or one with a code (the system's, the database's), says what to mend; any other is a fault of ours. */
function messageOf(error: unknown): string {
  if (isDatabaseDown(error)) return 'the database cannot be reached. Check DATABASE_URL and that it runs.'
  if (!(error instanceof Error)) return String(error)
  if ('syscall' in error && error.syscall === 'listen') {
    return `${error.message}. Stop the program that has this port, or set PORT (or HOST) to another.`
  }
  return error.constructor === Error || 'code' in error ? error.message : (error.stack ?? error.message)
}
