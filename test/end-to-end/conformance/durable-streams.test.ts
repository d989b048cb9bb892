/**
 * The gateway speaks Durable Streams: every test of the public conformance suite passes, those on subscriptions too. The suite needs
 * `npm ci --prefix conformance/durable-streams`, which this test runs if it was not run yet.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { as, startGateway } from '../../harness/gateway.js'
import { patienceSignal } from '../../harness/patience.js'
import { startAuthorizingProxy } from './authorizing-proxy.js'

const folder = join(packageRoot, 'conformance/durable-streams')
const vitest = join(folder, 'node_modules/vitest/vitest.mjs')
/** Ends a run that hangs. */
const LONGEST_MS = 240_000
/** The tests of the version in conformance/durable-streams/package.json. A run with fewer has left some out. */
const KNOWN_TESTS = 338

interface Report {
  readonly numTotalTests: number
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

t.test('every test of the conformance suite passes', { timeout: 0 }, async t => {
  if (!existsSync(vitest)) spawnSync('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'])
  const env = {
    DURABLE_STREAMS_WAIT: '2',
    CORS_ORIGINS: 'https://example.com',
    WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
  }
  const gateway = await startGateway(t, { env })
  const url = await startAuthorizingProxy(t, gateway.url, as('admin'))

  const report = await run(url, join(t.testdir({}), 'report.json'))
  const failed = report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status !== 'passed')

  t.comment(`${report.numPassedTests} of ${report.numTotalTests} tests passed`)
  t.same(
    failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split('\n', 1)[0]}`),
    [],
  )
  t.ok(report.numTotalTests >= KNOWN_TESTS, `${report.numTotalTests} tests ran`)
})

async function run(url: string, file: string): Promise<Report> {
  const args = [vitest, 'run', '--reporter=json', `--outputFile=${file}`]
  const env = { ...process.env, CONFORMANCE_URL: url }
  const options = { cwd: folder, env, signal: patienceSignal(LONGEST_MS) }
  const output = await new Promise<string>(resolve => {
    execFile(process.execPath, args, options, (_, stdout, stderr) => resolve(stdout + stderr))
  })
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) throw new Error(`The suite has not run: ${output}`)
  return JSON.parse(text) as Report
}
