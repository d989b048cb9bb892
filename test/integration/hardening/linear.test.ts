/**
 * No text from outside costs more than its length. Regular expressions are proven linear by an analysis of each one; code
 * that reads texts is given megabytes of the texts that are worst for it, where quadratic work would take hours.
 *
 * To analyse an expression takes up to seconds, so linear-expressions.txt lists those that were proven. Others are analysed in every
 * run, and by night all are. To prove all anew and list them:
 * `SLUICE_UPDATE_DOCS=1 npm test -- test/integration/hardening/linear.test.ts`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tokenizer } from 'acorn'
import { transformSync } from 'esbuild'
import { checkSync } from 'recheck'
import t from 'tap'
import { GrowingBytes } from '../../../src/bytes/growing-bytes.js'
import { runs } from '../../../src/jobs/dialects/runs.js'
import { linesOf } from '../../../src/jobs/upload-lines.js'
import type { Position, StoredEvent } from '../../../src/log/event.js'
import { clean } from '../../../src/logging/redaction.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { LineSplitter, MAX_LINE_BYTES } from '../../../src/runner/lines.js'
import { createDatabase } from '../../harness/database.js'
import { read } from '../../harness/document.js'
import { byNight } from '../../harness/nightly.js'

const FOLDERS = ['dist/src', 'dist/plugins', 'dist/routes', 'dist/server', 'examples/javascript']
const CONSOLE = 'console/src'
const HUGE = 2_000_000
/** Ended by what it counts, never by the clock, so that it says the same on a slow machine. */
const BY_COUNT = { timeout: null, attackTimeout: null, incubationTimeout: null }
const LIST = join(packageRoot, 'test/integration/hardening/linear-expressions.txt')
const isUpdate = process.env.SLUICE_UPDATE_DOCS === '1'
const trusted = new Set(byNight(!isUpdate, false) ? readFileSync(LIST, 'utf8').split('\n') : [])
/** Analysed here, by the same code everywhere, and not by a program for this platform. */
process.env.RECHECK_BACKEND = 'pure'

interface Expression {
  readonly source: string
  readonly flags: string
  readonly where: string
}

// Attack: a text for which a regular expression tries every beginning, or every way to share it out.
t.test('every regular expression takes time that grows as its text does', async t => {
  const found = eachOnce([...literals(), ...(await constructed())])

  const unproven = found.filter(each => !trusted.has(textOf(each)))
  const slow = unproven.filter(({ source, flags }) => checkSync(source, flags, BY_COUNT).status !== 'safe')

  t.ok(found.length > 70, `${found.length} expressions`)
  t.comment(`${unproven.length} of ${found.length} were analysed`)
  t.strictSame(slow, [])
  if (isUpdate && slow.length === 0) writeFileSync(LIST, `${found.map(textOf).sort().join('\n')}\n`)
})

t.test('the analysis finds expressions that are not linear', async t => {
  const known = [/"(?:type|[^"]*\\u[^"]*)"\s*:/, /\d+$/, /^(a|a)*$/]

  t.strictSame(
    known.map(({ source, flags }) => checkSync(source, flags, BY_COUNT).status),
    known.map(() => 'vulnerable'),
  )
})

// Attack: one event whose data holds up every client of its stream.
t.test('an event is encoded in time that grows as its data does', async t => {
  const texts = ['\\u0001', '\\"', '\\u0022', '\\"type', '{\\"type\\":', '\\r', '\\\\u']
  for (const type of ['note', 'log', 'result', 'run.updated']) {
    for (const text of texts) {
      const data = `{"a":"${text.repeat(HUGE / text.length)}"}`
      t.ok(runs.event({ ...eventOf(data), type }).length > HUGE / 10, `${type} ${text}`)
    }
    const spread = `{${'\r'.repeat(HUGE)}"a":1}`
    t.ok(runs.event({ ...eventOf(spread), type }).length > 0, type)
  }
})

// Attack: bytes that come one by one, so that what is there already is looked at again for each.
t.test('bytes that come one by one are put together in time that grows as they do', async t => {
  const one = Buffer.from('x')
  const bytes = new GrowingBytes()
  const splitter = new LineSplitter()
  let parts = 0
  for (let n = 0; n < HUGE; n += 1) {
    bytes.add(one)
    parts += splitter.push(one).length
  }
  async function* singly() {
    yield Buffer.alloc(HUGE, 'x')
    for (let n = 0; n < HUGE / 20; n += 1) yield one
  }
  let lines = 0
  for await (const arrived of linesOf(singly(), 2 * HUGE, new AbortController().signal)) {
    lines += arrived.lines.length
  }

  t.equal(bytes.length, HUGE)
  t.equal(parts, Math.floor(HUGE / MAX_LINE_BYTES))
  t.equal(lines, 1)
})

t.test('a line of the log is cleaned in time that grows as it does', async t => {
  for (const text of ['a://', 'a://b:', '://:@', 'a:', 'slk_', 'password=', '"', 'eyJ.']) {
    t.ok(clean(text.repeat(HUGE / text.length)).length > 0, text)
  }
})

t.test('the database measures data in time that grows as it does', async t => {
  const { pool } = await createDatabase(t)
  for (const [text, levels] of [
    ['\\"', 1],
    ['\\\\', 1],
    ['[{', 1],
    ['\\u0001', 1],
  ] as const) {
    const statement = `select sluice.depth(('{"a":"' || repeat($1, $2) || '"}')::json) as levels`
    const { rows } = await pool.query(statement, [text, Math.floor(HUGE / text.length)])
    t.strictSame(rows, [{ levels }], text)
  }
  const names = `select sluice.is_type(n) or sluice.is_stream(n) or sluice.is_workspace(n) as any from repeat('a.', $1) n`
  t.strictSame((await pool.query(names, [HUGE])).rows, [{ any: false }])
})

function eventOf(data: string): StoredEvent {
  return {
    type: 'log',
    data,
    at: new Date(0),
    position: 1 as Position,
    eventId: '00000000-0000-4000-8000-000000000000',
  }
}

/** The bundle of the gateway repeats the expressions of its files. */
function eachOnce(expressions: readonly Expression[]): Expression[] {
  return [...new Map(expressions.map(found => [textOf(found), found])).values()]
}

/** In one line. */
function textOf({ source, flags }: Expression): string {
  return new RegExp(source, flags).toString()
}

/** Those written as literals in our own files. */
function literals(): Expression[] {
  const compiled = FOLDERS.flatMap(folder =>
    filesIn(folder, /\.m?js$/).flatMap(file => literalsIn(file, read(file))),
  )
  const ofConsole = filesIn(CONSOLE, /\.tsx?$/).flatMap(file =>
    literalsIn(file, transformSync(read(file), { loader: 'tsx', jsx: 'automatic' }).code),
  )
  return [...compiled, ...ofConsole]
}

function filesIn(folder: string, names: RegExp): string[] {
  const files = readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
  return files.filter(file => names.test(file)).map(file => join(folder, file))
}

function literalsIn(where: string, text: string): Expression[] {
  const found: Expression[] = []
  for (const { type, start, end } of tokenizer(text, { ecmaVersion: 'latest', sourceType: 'module' })) {
    if (type.label !== 'regexp') continue
    const flagsAt = text.lastIndexOf('/', end) + 1
    found.push({ source: text.slice(start + 1, flagsAt - 1), flags: text.slice(flagsAt, end), where })
  }
  return found
}

/** Those that a gateway makes of texts while it starts: its own, and one for each pattern of a schema. */
async function constructed(): Promise<Expression[]> {
  const found = new Map<string, Expression>()
  const { RegExp: Original } = globalThis
  globalThis.RegExp = new Proxy(Original, {
    construct(target, given, self) {
      const made: RegExp = Reflect.construct(target, given, self)
      const { source, flags } = made
      const where = new Error().stack?.split('\n')[2] ?? ''
      // Ajv makes those of our schemas.
      const isOurs = !where.includes('node_modules') || where.includes('node_modules/ajv/')
      if (isOurs) found.set(`/${source}/${flags}`, { source, flags, where })
      return made
    },
  })
  try {
    const { startGateway } = await import('../../harness/gateway.js')
    await startGateway(t)
  } finally {
    globalThis.RegExp = Original
  }
  return [...found.values()]
}
