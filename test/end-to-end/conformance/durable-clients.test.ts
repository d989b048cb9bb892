/**
 * The clients that the authors of Durable Streams publish, in Node, in Chromium and in Python, through the real nginx on two gateways that are
 * killed in the middle: each reader ends with every message once and in order, as the table has them, and nothing is stored twice.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { openBrowser, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { startProcess } from '../../harness/process.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const run = promisify(execFile)
const SOURCES = join(packageRoot, 'conformance/durable-streams-clients')
const PYTHON = join(packageRoot, '.build/clients/durable-streams')
const PATIENCE_MS = 60_000
const MESSAGES = 150
const PIECES = 100
const TOKEN = token({ role: 'editor' })

/** A client at work, to its end. */
interface Work {
  readonly name: string
  /** What it has written so far, or all of it when it has ended. */
  lines(): Promise<readonly string[]>
  /** Resolves when it has ended well; rejects with what it said when it has not. */
  ended: Promise<void>
}

await t.test('every reader has every message once, across kills', { skip: withoutNginx() }, async t => {
  const python = await buildPython(t)
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateways = await Promise.all([1, 2].map(() => startProcess(t, { databaseUrl })))
  const nginx = await startNginx(t, { upstreams: gateways.map(({ port }) => port) })
  const at = (name: string) => `${nginx.url}/v1/stream/${name}`
  await create(at('story'), 'application/json')
  await create(at('pieces'), 'application/octet-stream')
  const node = (name: string, args: readonly string[]) =>
    start(t, name, [process.execPath, 'main.mjs', ...args])
  const py = (name: string, args: readonly string[]) =>
    python.map(program => start(t, name, [program, '-B', 'python/main.py', ...args]))
  const pages = await openPages(t, nginx.url)
  const modes = ['catch-up', 'long-poll', 'sse']
  const readers = [
    ...modes.map(mode => node(`Node, ${mode}`, ['read', at('story'), TOKEN, mode])),
    ...modes.flatMap(mode => py(`Python, ${mode}`, ['read', at('story'), TOKEN, mode])),
    ...modes.flatMap(mode =>
      pages(`Chromium, ${mode}`, `read('${at('story')}', '${TOKEN}', '${mode}', hear)`),
    ),
    ...py('Python, asynchronous, sse', ['read-async', at('story'), TOKEN, 'sse']),
  ]
  const byteReaders = [
    ...['long-poll', 'sse'].map(mode => node(`Node, bytes, ${mode}`, ['read', at('pieces'), TOKEN, mode])),
    ...py('Python, bytes, long-poll', ['read', at('pieces'), TOKEN, 'long-poll']),
  ]
  const writers = [
    node('Node', ['write', at('story'), TOKEN, 'node', `${MESSAGES}`]),
    ...py('Python', ['write', at('story'), TOKEN, 'python', `${MESSAGES}`]),
    ...pages('Chromium', `write('${at('story')}', '${TOKEN}', 'page', ${MESSAGES}).then(hear)`),
  ]
  const pieces = node('Node, bytes', ['write-bytes', at('pieces'), TOKEN, `${PIECES}`])

  // One of the two, when a part of the story is stored; then both, so that nobody answers.
  for (const [part, victims] of [
    [0.2, [0]],
    [0.5, [0, 1]],
  ] as const) {
    const fact = async () => (await stored(pool, 'story')).length >= part * MESSAGES * writers.length
    await until(`${part} of the story is stored`, fact, PATIENCE_MS)
    await Promise.all(victims.map(victim => gateways[victim]?.kill()))
    await Promise.all(
      victims.map(async n => {
        gateways[n] = await startProcess(t, { databaseUrl, port: gateways[n]?.port ?? 0 })
      }),
    )
  }
  await within('the writers', [...writers, pieces])
  await within('the end', [node('Node, closer', ['close', at('story'), TOKEN])])
  await within('the readers', [...readers, ...byteReaders])

  const log = await stored(pool, 'story')
  for (const writer of ['node', 'page', 'python'].slice(0, writers.length)) {
    const numbers = log.filter(message => message.writer === writer).map(message => message.n)
    t.strictSame(
      numbers,
      Array.from({ length: MESSAGES }, (_, n) => n + 1),
      `${writer}: each once, in order`,
    )
  }
  const expected = log.map(message => JSON.stringify(message))
  for (const reader of readers) t.strictSame(await reader.lines(), expected, reader.name)
  const bytes = Buffer.concat((await stored(pool, 'pieces')).map(bytesOf)).toString('base64')
  t.equal(bytes, allPieces(), 'the bytes are stored once, in order')
  for (const reader of byteReaders) t.equal(joined(await reader.lines()), bytes, reader.name)
})

/** The interpreter with the client, or none where there is no Python. */
async function buildPython(t: Test): Promise<string[]> {
  const version = await run('python3', [
    '-c',
    'import ensurepip, sys; print(sys.version_info >= (3, 11))',
  ]).catch(() => ({ stdout: '' }))
  const skip = version.stdout.trim() !== 'True' && 'Python 3.11 or later is not installed'
  if (skip) await t.test('the Python client can be installed', { skip }, () => {})
  if (skip) return []
  await mkdir(PYTHON, { recursive: true })
  await run('python3', ['-m', 'venv', PYTHON])
  const program = join(PYTHON, 'bin/python')
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--require-hashes']
  await run(program, [...pip, '--requirement', join(SOURCES, 'python/requirements.txt')])
  return [program]
}

function start(t: Test, name: string, [program = '', ...args]: readonly string[]): Work {
  const child = spawn(program, args, { cwd: SOURCES, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  let output = ''
  let remarks = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (remarks = (remarks + text).slice(-2_000)))
  const ended = closed.then(([status]) => {
    if (status !== 0) throw new Error(`${name} ended with ${status}:\n${remarks}`)
  })
  // Somebody looks later.
  ended.catch(() => undefined)
  return { name, ended, lines: async () => output.split('\n').slice(0, -1) }
}

/** Opens a page for each call, an expression on the exports of durable.mjs. */
async function openPages(t: Test, origin: string): Promise<(name: string, call: string) => Work[]> {
  const skip = withoutBrowser()
  if (skip) await t.test('Chromium', { skip }, () => {})
  if (skip) return () => []
  const { outputFiles } = await build({
    entryPoints: [join(SOURCES, 'durable.mjs')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'durable',
  })
  const script = outputFiles[0]?.text ?? ''
  const browser = await openBrowser(t)
  return (name, call) => [openPage(browser, { name, call, origin, script })]
}

interface PageOptions {
  readonly name: string
  readonly call: string
  readonly origin: string
  readonly script: string
}

function openPage(browser: Browser, { name, call, origin, script }: PageOptions): Work {
  const opened = (async () => {
    const page = await (await browser.newContext()).newPage()
    await page.route(`${origin}/blank`, route =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
    )
    await page.goto(`${origin}/blank`)
    await page.addScriptTag({ content: script })
    await page.evaluate(`
      window.lines = []
      const hear = message => lines.push(JSON.stringify(message))
      window.ended = durable.${call}.then(() => 'well', error => String(error.stack ?? error))`)
    return page
  })()
  const ended = opened.then(async page => {
    const outcome = await page.evaluate<string>('window.ended')
    if (outcome !== 'well') throw new Error(`${name}: ${outcome}`)
  })
  ended.catch(() => undefined)
  return { name, ended, lines: async () => await (await opened).evaluate<string[]>('window.lines') }
}

async function within(what: string, works: readonly Work[]): Promise<void> {
  const waiting = new Set(works.map(({ name }) => name))
  let failure: unknown
  for (const { name, ended } of works) {
    ended.then(() => waiting.delete(name)).catch((error: unknown) => (failure ??= error))
  }
  const over = () => waiting.size === 0 || failure !== undefined
  await until(what, over, PATIENCE_MS).catch((error: Error) => {
    throw new Error(`${error.message} They wait: ${[...waiting].join('; ')}`)
  })
  if (failure !== undefined) throw failure
}

async function create(url: string, type: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': type }
  const response = await fetch(url, { method: 'PUT', headers })
  if (response.status !== 201) throw new Error(`PUT ${url}: ${response.status} ${await response.text()}`)
}

interface Stored {
  readonly writer?: string
  readonly n?: number
  readonly text?: string
  readonly base64?: string
}

/** What the table has, in order: the message of a JSON stream, the data of another one. */
async function stored(pool: Database, name: string): Promise<Stored[]> {
  const { rows } = await pool.query(
    `select coalesce(e.data->'json', e.data)::text as message from sluice.events e
       join sluice.streams s on s.id = e.stream_id
      where s.workspace = 'acme' and s.name = $1 and e.type = 'chunk' order by e."position"`,
    [name],
  )
  return rows.map(row => JSON.parse(row.message))
}

function bytesOf({ text, base64 = '' }: Stored): Buffer {
  return text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text)
}

/** What `write-bytes` writes. */
function allPieces(): string {
  const numbers = Array.from({ length: PIECES }, (_, n) => n + 1)
  const bytes = numbers.flatMap(n => [n >> 8, n & 255, 0xff, 0x00, 0x0a])
  return Buffer.concat([Buffer.from(bytes), Buffer.from('END')]).toString('base64')
}

function joined(lines: readonly string[]): string {
  return Buffer.concat(lines.map(line => Buffer.from(line, 'base64'))).toString('base64')
}
