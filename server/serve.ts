/**
 * A gateway as a process: it reads the configuration, starts the embedded Postgres if no other is configured,
 * migrates, listens, and stops on a signal. Exit codes: 0 stopped, 1 failed, 2 wrong usage or configuration.
 */
import cluster from 'node:cluster'
import { readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Sluice } from '../plugins/sluice.js'
import { developmentSecret } from '../src/auth/tokens/keys.js'
import { type Config, ConfigError, readConfig } from '../src/config/config.js'
import { Environment } from '../src/config/environment.js'
import { misspeltVariables } from '../src/config/misspelt-variables.js'
import { provideDatabase } from '../src/embedded-postgres/provision.js'
import { BACKLOG } from '../src/http/http-limits.js'
import { describeError } from '../src/logging/http-log.js'
import { cleanLines, printableJson } from '../src/logging/redaction.js'
import { onStopSignals, STOP_SIGNALS } from '../src/process/stop-signals.js'
import { WorkerChannel } from '../src/process/worker-channel.js'
import type { Address, DemoTokens } from '../src/process/worker-message.js'
import { buildApp } from './app.js'
import { banner } from './banner.js'
import { type Demo, playDemo } from './demo.js'
import { serveMetrics } from './metrics-server.js'
import { loggerOf } from './process-logger.js'
import { watchProcess } from './process-watchdog.js'
import { exportSpans } from './span-export.js'
import { startFailure } from './start-failure.js'
import { drainDelayOf, StopSequence } from './stop-sequence.js'
import { askingAll, reportersOf } from './worker-answers.js'
import { WorkerEnded, Workers } from './workers.js'

/** The time for a complete stop: draining, then closing. */
const STOP_DEADLINE_MS = 30_000
/** The embedded server's messages that matter to its owner; the rest is routine. */
const OF_NOTE = /^(FATAL|PANIC|The embedded)/
const WORKSPACE = 'demo'
const TOKEN_SECONDS = 30 * 24 * 3_600
/** Set for one worker at a time, which does the work that must happen once. */
const FIRST_WORKER = 'SLUICE_FIRST_WORKER'

export interface ServeOptions {
  /** Whether a small stream of item changes is played in the workspace `demo`. */
  readonly demo: boolean
}

type Closer = () => Promise<unknown>

interface Launch {
  readonly config: Config
  readonly demo: boolean
  /** The resources to close at the end, last first. */
  readonly closers: Closer[]
  readonly sequence: StopSequence
}

interface Started extends Address {
  readonly log: FastifyBaseLogger
}

/** Runs a gateway until a signal ends it. If it cannot start, it reports the reason and exits. */
export function serve(options: ServeOptions): void {
  // A full disk behind these streams must not end a process that only wanted to log.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined)
  start(options).catch(error => {
    // The worker has printed the reason itself.
    if (error instanceof WorkerEnded) process.exit(error.code)
    const known = error instanceof ConfigError
    const text = known
      ? error.faults.join('\n')
      : `Sluice cannot start: ${startFailure(error, process.env.DATABASE_URL)}`
    process.stderr.write(`${cleanLines(text)}\n`)
    process.exit(known ? 2 : 1)
  })
}

async function start({ demo }: ServeOptions): Promise<void> {
  const closers: Closer[] = []
  let stopped: Promise<void> | undefined
  // A worker receives its stop twice if a terminal's Ctrl-C reaches both its parent and itself.
  const stop = () => {
    stopped ??= closeAll(closers)
    return stopped
  }
  const grace = closeWithGrace(
    { delay: STOP_DEADLINE_MS, skip: [...STOP_SIGNALS], onSecondError: tellOfCrash },
    async ({ err }) => {
      if (err) tellOfCrash(err)
      await stop()
    },
  )
  const sequence = new StopSequence(grace.close)
  onStopSignals({
    stop(signal) {
      if (process.stdout.isTTY && cluster.isPrimary) console.log(`\n${signal}: stopping`)
      void sequence.begin()
    },
    insist(signal) {
      if (sequence.skip()) return
      process.stderr.write(`${signal} again: leaving at once\n`)
      process.exit(1)
    },
  })
  try {
    const launch = { config: readConfig(process.env), demo, closers, sequence }
    await (cluster.isPrimary ? run(launch) : work(launch, new WorkerChannel(grace.close)))
  } catch (error) {
    await stop()
    throw error
  }
}

/** Writes a log line. It is redacted as every log line is, because an error may contain rows and passwords. */
function tellOfCrash(err: unknown): void {
  const line = { level: 60, time: Date.now(), pid: process.pid, err: describeError(err), msg: 'crashed' }
  process.stderr.write(`${printableJson(JSON.stringify(line))}\n`)
}

async function closeAll(closers: Closer[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

/**
 * A complete installation in this directory: the database, and on it one gateway in this process or several in
 * workers.
 */
async function run(launch: Launch): Promise<void> {
  const { config, demo, closers } = launch
  const variables = Object.keys(Environment.properties)
  for (const line of misspeltVariables(process.env, variables)) process.stderr.write(`${cleanLines(line)}\n`)
  await requireFolders(config)
  // Until a log exists, the embedded server's messages are dropped; a failing start reports itself.
  let onLog = (_line: string): void => {}
  const database = await provideDatabase(config, dataDirOf(config), line => onLog(line))
  closers.push(() => database.close())
  const count = config.WORKERS === 'auto' ? availableParallelism() : config.WORKERS
  const start = count === 1 ? startGateway(launch, database.url) : startWorkers(launch, count, database.url)
  const { log, url, tokens } = await start
  onLog = line => log[OF_NOTE.test(line) ? 'warn' : 'debug']({ line }, 'postgres')
  console.log(banner({ url, database: database.description, workspace: WORKSPACE, demo, tokens }))
}

/** One of several gateways: the database exists, and the parent reports for all. */
async function work({ demo, ...launch }: Launch, workerChannel: WorkerChannel): Promise<void> {
  const first = demo && process.env[FIRST_WORKER] === 'yes'
  await startGateway({ ...launch, demo: first }, launch.config.DATABASE_URL ?? '', workerChannel)
}

async function startWorkers(
  { config, closers, sequence }: Launch,
  count: number,
  databaseUrl: string,
): Promise<Started> {
  const { log } = Fastify({ logger: await loggerOf(config) })
  const environment = { every: { DATABASE_URL: databaseUrl }, first: { [FIRST_WORKER]: 'yes' } }
  const workers = new Workers({ count, environment, logger: log, stopDeadlineMs: STOP_DEADLINE_MS })
  closers.push(() => workers.stop())
  const started = { log, ...(await workers.start()) }
  sequence.serves({ delayMs: drainDelayOf(config), announce: ms => workers.announceStop(ms) })
  await openMetrics(config, closers, () => workers.metrics())
  return started
}

async function startGateway(
  launch: Launch,
  databaseUrl: string,
  workerChannel?: WorkerChannel,
): Promise<Started> {
  const { config, demo, closers, sequence } = launch
  const secret = hasKey(config) ? undefined : await developmentSecret(dataDirOf(config))
  const spans = await exportSpans(config, closers)
  const logger = await loggerOf(config)
  const watchdog = watchProcess(config, workerChannel !== undefined)
  if (watchdog) closers.push(() => watchdog.close())
  const app = await buildApp({
    config,
    databaseUrl,
    developmentSecret: secret,
    logger,
    internals: { watchdog },
    ...(workerChannel && askingAll(workerChannel, () => app.sluice)),
  })
  spans.logger = app.log
  closers.push(() => app.close())
  const address = { host: config.HOST, port: config.PORT, backlog: BACKLOG }
  await app.listen({ ...address, listenTextResolver: () => 'listening' })
  if (demo && app.sluice.items) {
    const onError = (err: unknown) => app.log.warn({ err }, 'The demo cannot change items; it tries again.')
    const playing: Demo = playDemo(app.sluice.items, { workspace: WORKSPACE, onError })
    closers.push(() => playing.close())
  }
  const signs = config.JWT_SECRET !== undefined || secret !== undefined
  const tokens = config.NODE_ENV !== 'production' && signs ? signTokens(app.sluice) : undefined
  const started = { url: urlOf(app, config.HOST), tokens }
  const { sluice } = app
  const announce = (ms: number) => sluice.announceStop(ms)
  sequence.serves({ delayMs: drainDelayOf(config), announce })
  if (workerChannel) workerChannel.join(started, reportersOf(sluice), announce)
  else await openMetrics(config, closers, () => sluice.metrics.text())
  return { log: app.log, ...started }
}

/** Production requires a configured key. */
function hasKey({ NODE_ENV, JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL }: Config): boolean {
  return NODE_ENV === 'production' || [JWT_SECRET, JWT_PUBLIC_KEY, JWKS_URL].some(key => key !== undefined)
}

async function openMetrics(
  { HOST: host, METRICS_PORT: port }: Config,
  closers: Closer[],
  text: () => Promise<string>,
): Promise<void> {
  if (port !== undefined) closers.push(await serveMetrics({ host, port, text }))
}

/** @throws {ConfigError} if the directory cannot be read: every artifact would seem to be missing. */
async function requireFolders({ ARTIFACTS_DIR: folder }: Config): Promise<void> {
  // Lists the directory, as the search for an artifact does.
  const missing = folder !== undefined && (await readdir(folder).catch(({ code }) => `${code}`))
  if (typeof missing !== 'string') return
  const text = `ARTIFACTS_DIR is ${JSON.stringify(folder)}, which cannot be read as a directory (${missing}).`
  throw new ConfigError([`${text} Create it, let this user read it, or leave the variable out.`])
}

function dataDirOf({ DATA_DIR }: Config): string {
  return resolve(DATA_DIR)
}

function signTokens(sluice: Sluice): DemoTokens {
  const sign = (role: keyof DemoTokens) =>
    sluice.signToken({ id: `demo-${role}`, workspace: WORKSPACE, role }, TOKEN_SECONDS)
  return { viewer: sign('viewer'), editor: sign('editor'), admin: sign('admin') }
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : ''
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
