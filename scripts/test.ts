/**
 * `npm test`: one Postgres for the whole run, tap on the compiled tests, and a last line `N passed, N failed`.
 *
 * Arguments go to tap; test files among them (`npm test -- test/integration/items/items.test.ts`) replace the whole suite.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../src/process/package-root.js'
import { usageError } from '../src/process/usage.js'
import { patient } from '../test/harness/patience.js'
import { startTestServer, type TestServer, temporaryFolder } from '../test/harness/server.js'
import { type Counts, TapReport } from './tap-report.js'

const USAGE = `Usage: npm test -- [options] [test/….test.ts …]

Runs the tests of test/unit/ and test/integration/, or the files that are named, on a Postgres that it starts for them.
The tests of test/end-to-end/ start whole processes, browsers and toolchains: --system runs them.

  --help, -h   show this
  --system     run the tests of test/end-to-end/ instead
  others       go to tap, such as --grep=PATTERN or --bail

From the environment: TEST_DATABASE_URL, a Postgres server to use instead, whose user may create databases; PG_BIN, the
folder of another Postgres to start; SLUICE_NO_SKIPS=1: a skipped test is a failure; TEST_PATIENCE=3: tests wait three times
as long before they give up, for a slow machine.`

interface Run extends Counts {
  /** What ended the run before all tests were done, if anything did. */
  readonly stoppedBy: string | undefined
}

/** For one file, on a quiet machine. Only a net: what a test waits for has a deadline that says what it waited for. */
const FILE_MS = 300_000
/** The folder of test/ that the usual run leaves out. */
const SYSTEM_TESTS = join('end-to-end', '/')
const TAP = join(packageRoot, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
/** The folder that holds the compiled scripts/ and test/: dist/, or wherever this was compiled to. */
const compiled = resolve(dirname(fileURLToPath(import.meta.url)), '..')

const given = process.argv.slice(2)
const isSystemLane = given.includes('--system')
const args = given.filter(arg => arg !== '--system')
if (args.includes('--help') || args.includes('-h')) {
  console.log(USAGE)
  process.exit(0)
}
buildTap()
refuseUnknown(args.filter(arg => !isTestFile(arg)))
const folder = await temporaryFolder()
try {
  process.env.SLUICE_TEST_FOLDER = folder
  const server = await startTestServer()
  try {
    const run = await runTap(args, server)
    process.exitCode = report(run, process.env.SLUICE_NO_SKIPS === '1')
  } finally {
    await server.close()
  }
} finally {
  // Servers of tests that were killed are just leaving.
  await rm(folder, { recursive: true, force: true, maxRetries: 20 })
}

/** Every `npm ci` brings back tap's own TypeScript loader, which does not work with TypeScript 7 (.taprc drops it). */
function buildTap(): void {
  const built = join(packageRoot, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
  if (!readFileSync(built, 'utf8').includes('@tapjs/typescript')) return
  console.log('Building tap without its TypeScript loader, once after each npm ci …')
  const { status, stdout, stderr } = spawnSync(process.execPath, [TAP, 'build'], { cwd: packageRoot })
  if (status !== 0) throw new Error(`tap build failed:\n${stdout}${stderr}`)
}

/** Tap itself would tell of it only with a server started, and by its stack. */
function refuseUnknown(options: readonly string[]): void {
  if (options.length === 0) return
  const { status, stderr } = spawnSync(process.execPath, [TAP, 'config', 'list', ...options], {
    cwd: packageRoot,
    encoding: 'utf8',
  })
  if (status === 0) return
  const [, told = stderr] = /^Error: (.*)/m.exec(stderr) ?? []
  console.error(`${usageError(new Error(told)).message}\n\n${USAGE}`)
  process.exit(2)
}

/** In a process group of its own: Ctrl-C reaches only us, and we end tap with all that it started. */
async function runTap(args: readonly string[], { url, template }: TestServer): Promise<Run> {
  const files = args.filter(isTestFile).map(toCompiled)
  const options = [
    `--timeout=${Math.ceil(patient(FILE_MS) / 1_000)}`,
    ...args.filter(arg => !isTestFile(arg)),
  ]
  const tap = spawn(
    process.execPath,
    [TAP, 'run', '--reporter=tap', ...options, ...(files.length > 0 ? files : allTestFiles())],
    {
      cwd: packageRoot,
      env: { ...process.env, SLUICE_TEST_SERVER_URL: url, SLUICE_TEST_TEMPLATE: template },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  )
  let stoppedBy: string | undefined
  const stop = (signal: string) => {
    stoppedBy = signal
    endGroup(tap)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)

  const tapReport = new TapReport(line => console.log(line))
  const ended = once(tap, 'exit')
  for await (const line of createInterface({ input: tap.stdout })) tapReport.add(line)
  const [code] = await ended
  if (tapReport.bailedBy !== undefined) stoppedBy ??= `the first failure, ${tapReport.bailedBy} (--bail)`
  else if (tapReport.counts === undefined) stoppedBy ??= 'the end of tap itself'
  const counts = tapReport.counts ?? tapReport.soFar
  // Whatever made tap fail counts, even if no test could say so; so does a run that is not whole.
  const failed = stoppedBy !== undefined || code !== 0 ? Math.max(counts.failed, 1) : counts.failed
  return { ...counts, failed, stoppedBy }
}

function endGroup(tap: ChildProcess): void {
  if (tap.pid !== undefined && tap.exitCode === null) process.kill(-tap.pid, 'SIGKILL')
}

function isTestFile(arg: string): boolean {
  return /\.test\.[jt]s$/.test(arg)
}

function toCompiled(file: string): string {
  return file.endsWith('.ts') ? relative(packageRoot, join(compiled, file.replace(/\.ts$/, '.js'))) : file
}

function allTestFiles(): string[] {
  const tests = relative(packageRoot, join(compiled, 'test'))
  const files = readdirSync(join(packageRoot, tests), { recursive: true, encoding: 'utf8' })
  return files
    .filter(file => isTestFile(file) && file.startsWith(SYSTEM_TESTS) === isSystemLane)
    .sort()
    .map(file => join(tests, file))
}

function report({ passed, failed, skipped, stoppedBy }: Run, noSkips: boolean): number {
  const failures = noSkips ? failed + skipped : failed
  if (noSkips && skipped > 0) console.log(`${skipped} skipped, which SLUICE_NO_SKIPS counts as failed.`)
  if (stoppedBy !== undefined) {
    console.log(`Stopped by ${stoppedBy}, with tests left to do: that counts as a failure. Until then:`)
  }
  if (passed + failed === 0) console.log('No test was executed, which is a failure.')
  console.log(`${passed} passed, ${failures} failed${!noSkips && skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failures > 0 || passed === 0 ? 1 : 0
}
