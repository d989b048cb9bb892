/**
 * `npm test`: runs compiled test files, each in a process of its own, on one Postgres, and closes with `N passed, N failed`.
 * Postgres starts only when a file needs it; the files that need none run meanwhile.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packageRoot } from '../src/process/package-root.js'
import { usageError } from '../src/process/usage.js'
import { startTestServer, type TestServer, temporaryFolder } from '../test/harness/server.js'
import { inParallel } from './parallel-files.js'
import { type Counts, TapReport } from './tap-report.js'
import { runTestFile } from './test-file.js'

const USAGE = `Usage: npm test -- [options] [test/….test.ts | test/folder …]

Runs the tests of test/unit/ and test/integration/, or the files that are named. The tests of test/end-to-end/ start whole
processes, browsers and toolchains: --system runs them. Postgres is started unless every file is one of test/unit/.

  --help, -h           show this
  --system             run the tests of test/end-to-end/ instead
  --kubernetes         run the tests of test/kubernetes/ instead; npm run test:kubernetes prepares what they need
  --nightly            run what takes hours instead: ten-minute outages, and as many random inputs as a night has time for
  --grep, -g PATTERN   only the tests whose names match this regular expression; may be given several times
  --only, -o           only the tests that are marked with { only: true }
  --bail, -b           stop at the first failure
  --jobs, -j N         N files at a time; without it three for every two processors, and up to five while
                       processors are idle

From the environment: TEST_DATABASE_URL, a Postgres server to use instead, whose user may create databases; PG_BIN, the
folder of another Postgres to start; SLUICE_NO_SKIPS=1: a skipped test is a failure; TEST_PATIENCE=3: tests wait three times
as long before they give up, for a slow machine.`

interface Run extends Counts {
  /** The reason why the run ended before all tests were done, if it did. */
  readonly stoppedBy: string | undefined
}

/** Files of test/ that need no Postgres. */
const WITHOUT_POSTGRES = /^((unit|kubernetes)\/|[^/]+$)/
/** The folders of test/ that the usual run leaves out. */
const SYSTEM_TESTS = 'end-to-end/'
const KUBERNETES_TESTS = 'kubernetes/'
const TEST_FILE = /\.test\.[jt]s$/
/** On average a file keeps two thirds of a processor busy, and waits for processes, networks and deadlines otherwise. */
const FILES_PER_PROCESSOR = 1.5
/** While processors are idle. */
const MOST_FILES_PER_PROCESSOR = 2.5
/** The folder that holds the compiled scripts/ and test/: dist/, or wherever this was compiled to. */
const compiled = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const tests = join(compiled, 'test')

const { options, files } = readArguments()
const folder = await temporaryFolder()
process.env.SLUICE_TEST_FOLDER = folder
let server: Promise<TestServer> | undefined
try {
  process.exitCode = summarize(await run(), process.env.SLUICE_NO_SKIPS === '1')
} finally {
  await (await server)?.close()
  // The servers of killed tests may still be stopping.
  await rm(folder, { recursive: true, force: true, maxRetries: 20 })
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        system: { type: 'boolean', default: false },
        kubernetes: { type: 'boolean', default: false },
        nightly: { type: 'boolean', default: false },
        grep: { type: 'string', short: 'g', multiple: true },
        only: { type: 'boolean', short: 'o' },
        bail: { type: 'boolean', short: 'b' },
        jobs: { type: 'string', short: 'j' },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const perProcessor = (files: number) => Math.ceil(availableParallelism() * files)
    const least = Number(values.jobs ?? perProcessor(FILES_PER_PROCESSOR))
    if (!Number.isInteger(least) || least < 1) throw new Error('--jobs must be a whole number from 1.')
    const most = values.jobs === undefined ? perProcessor(MOST_FILES_PER_PROCESSOR) : least
    const named = positionals.flatMap(testFilesAt)
    const folder = values.kubernetes ? KUBERNETES_TESTS : values.system ? SYSTEM_TESTS : undefined
    return {
      options: { ...values, least, most },
      files:
        positionals.length > 0
          ? named
          : testFilesIn(tests).filter(values.nightly ? isNightly : isOfLane(folder)),
    }
  } catch (error) {
    console.error(`${usageError(error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

/** @param named a test file as it was written or as it was compiled, or a folder of them. */
function testFilesAt(named: string): string[] {
  const path = resolve(named.endsWith('.ts') ? join(compiled, named.replace(/\.ts$/, '.js')) : named)
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory()) return testFilesIn(join(compiled, relative(packageRoot, path)))
  if (!found || !TEST_FILE.test(path)) throw new Error(`There is no test file ${named}.`)
  return [path]
}

function testFilesIn(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names
    .filter(name => TEST_FILE.test(name))
    .sort()
    .map(name => join(folder, name))
}

/** @param folder of test/; undefined for the usual run. */
function isOfLane(folder: string | undefined): (file: string) => boolean {
  return file =>
    [SYSTEM_TESTS, KUBERNETES_TESTS].find(each => relative(tests, file).startsWith(each)) === folder
}

function isNightly(file: string): boolean {
  return readFileSync(file, 'utf8').includes('/harness/nightly.js')
}

async function run(): Promise<Run> {
  const report = new TapReport(line => console.log(line))
  const stop = new AbortController()
  let stoppedBy: string | undefined
  const stopBy = (reason: string) => {
    stoppedBy ??= reason
    stop.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stopBy)

  const needsPostgres = (file: string) => !WITHOUT_POSTGRES.test(relative(tests, file))
  // First those that need none: Postgres starts meanwhile.
  const ordered = [...files.filter(file => !needsPostgres(file)), ...files.filter(needsPostgres)]
  if (files.some(needsPostgres)) {
    server = startTestServer()
    // Code that awaits it fails; until then nothing handles the rejection.
    server.catch(() => undefined)
  }
  try {
    await inParallel(ordered, options, async file => {
      if (stop.signal.aborted) return
      const env = {
        ...testEnvironment(),
        ...(needsPostgres(file) ? postgresEnvironment(await server) : {}),
      }
      const lines = await runTestFile(relative(packageRoot, file), { env, stopped: stop.signal })
      if (stop.signal.aborted) return
      for (const line of lines) report.add(line)
      if (report.bailedBy !== undefined) stopBy(`the first failure, ${report.bailedBy} (--bail)`)
    })
  } finally {
    stop.abort()
  }
  report.showSlowest()
  const { failed, ...others } = report.counts
  return { ...others, failed: stoppedBy === undefined ? failed : Math.max(failed, 1), stoppedBy }
}

/** The settings of the test files: mostly those that tap's own command would pass. */
function testEnvironment(): Record<string, string> {
  return {
    TAP_BAIL: options.bail ? '1' : '0',
    SLUICE_NIGHTLY: options.nightly ? '1' : '0',
    TAP_ONLY: options.only ? '1' : '0',
    ...(options.grep ? { TAP_GREP: options.grep.join('\n') } : {}),
  }
}

function postgresEnvironment(server: TestServer | undefined): Record<string, string> {
  return server ? { SLUICE_TEST_SERVER_URL: server.url, SLUICE_TEST_TEMPLATE: server.template } : {}
}

function summarize({ passed, failed, skipped, stoppedBy }: Run, noSkips: boolean): number {
  const failures = noSkips ? failed + skipped : failed
  if (noSkips && skipped > 0) console.log(`${skipped} skipped, which SLUICE_NO_SKIPS counts as failed.`)
  if (stoppedBy !== undefined) {
    console.log(`Stopped by ${stoppedBy}, with tests left to do: that counts as a failure. Until then:`)
  }
  if (passed + failed === 0) console.log('No test was executed, which is a failure.')
  console.log(`${passed} passed, ${failures} failed${!noSkips && skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failures > 0 || passed === 0 ? 1 : 0
}
