/** The recipes for C++ and Java (docs/recipes/java-cpp.md): the contract, as far as they go, and a gateway that is killed. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { createDatabase } from '../../harness/database.js'
import { patient } from '../../harness/patience.js'
import { startProcess } from '../../harness/process.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { start } from './go/programs.js'

const run = promisify(execFile)
const PATIENCE_MS = 60_000
const sources = join(packageRoot, 'conformance/recipes')
const built = join(packageRoot, '.build/recipes')

interface Recipe {
  readonly name: string
  readonly missing: string | false
  /** The cases of the contract that it does not hold, by design: the page says so. */
  readonly beyond: string
  build(): Promise<readonly [string, ...string[]]>
}

const RENEWAL =
  'credentials\\.renewal|cursors\\.(hello|at-most-once)|notices\\.(server-state|reset-without-reload)'
const RECIPES: readonly Recipe[] = [
  {
    name: 'C++',
    missing:
      spawnSync('g++', ['-E', '-x', 'c++', '-'], { input: '#include <curl/curl.h>' }).status !== 0 &&
      'g++ and libcurl are not installed (apt-get install g++ libcurl4-openssl-dev)',
    beyond: RENEWAL,
    async build() {
      const program = join(built, 'cpp')
      const strict = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined']
      await run('g++', [...strict, '-o', program, join(sources, 'cpp/main.cpp'), '-lcurl'])
      return [program]
    },
  },
  {
    name: 'Java',
    missing:
      (spawnSync('javac', ['-version']).status !== 0 || spawnSync('mvn', ['--version']).status !== 0) &&
      'a JDK and Maven are not installed (apt-get install default-jdk-headless maven)',
    // okhttp-sse shows neither `retry` nor blocks without data.
    beyond: `${RENEWAL}|notices\\.(unavailable|nginx-upstream|draining)|cursors\\.cursor-frames`,
    async build() {
      const paths = join(built, 'classpath')
      const options = [`-Dbuild.folder=${join(built, 'maven')}`, `-Dmdep.outputFile=${paths}`]
      const cwd = join(packageRoot, 'conformance/clients/java')
      await run('mvn', ['--quiet', '--batch-mode', ...options, 'dependency:build-classpath'], { cwd })
      const libraries = await readFile(paths, 'utf8')
      const folder = join(built, 'java')
      const files = (await readdir(join(sources, 'java'))).map(file => join(sources, 'java', file))
      await run('javac', ['-Xlint:all', '-Werror', '-cp', libraries, '-d', folder, ...files])
      const quick = ['-Xmx64m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
      return ['java', ...quick, '-cp', `${folder}:${libraries}`, 'Main']
    },
  },
]

await mkdir(built, { recursive: true })
for (const { name, missing: skip, beyond, build } of RECIPES) {
  await t.test(name, { skip }, async t => {
    const command = await build()
    await t.test('every case that it is for holds', t => playCases(t, command, beyond))
    await t.test('a gateway is killed: every event arrives, in order, from where the file says', t =>
      survivesKill(t, command),
    )
  })
}

async function playCases(t: Test, command: readonly string[], beyond: string): Promise<void> {
  const playing = spawn(process.execPath, [
    join(packageRoot, 'dist/conformance/contract/run.js'),
    ...['--faults', '--jobs', '4', '--patience', String(patient(2_000) / 1_000)],
    ...['--only', `^(?!${beyond})(notices|cursors|credentials)\\.`],
    ...['--', process.execPath, join(sources, 'adapter.mjs'), ...command],
  ])
  let output = ''
  for (const stream of [playing.stdout, playing.stderr])
    stream.setEncoding('utf8').on('data', text => (output += text))
  const [status] = await once(playing, 'close')

  t.equal(status, 0, output)
  t.match(output, /beyond it: ([2-9]\d) of \1 cases hold, 0 left out/)
}

async function survivesKill(t: Test, [program, ...args]: readonly [string, ...string[]]): Promise<void> {
  const { url: databaseUrl, pool } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const CURSOR_FILE = join(t.testdir(), 'cursor')
  const STREAM_URL = `${gateway.url}/api/events?from=beginning&cursors=named`
  const follow = () =>
    start(t, program, { STREAM_URL, CURSOR_FILE, TOKENS: token(), RETRY_MS: '100', MAX_MS: '500' }, args)
  const publish = async (from: number, to: number) => {
    for (let n = from; n <= to; n++)
      await pool.query(`select sluice.publish('acme', 'feed', 'part.made', $1)`, [JSON.stringify({ n })])
  }
  const numbers = (lines: readonly string[]) =>
    lines.filter(line => line.includes('"saw":"event"')).map(line => Number(/"n":\s*(\d+)/.exec(line)?.[1]))

  const first = follow()
  await publish(1, 20)
  await until('20 events arrive', () => numbers(first.lines()).length >= 20, PATIENCE_MS)
  await gateway.kill()
  await publish(21, 40)
  gateway = await startProcess(t, { databaseUrl, port: gateway.port })
  await until('40 events arrive', () => numbers(first.lines()).length >= 40, PATIENCE_MS)
  await until('the cursor is stored', async () => (await readFile(CURSOR_FILE, 'utf8')).startsWith('40.'))
  await first.kill()
  await publish(41, 60)
  const second = follow()
  await until('20 further events arrive', () => numbers(second.lines()).length >= 20, PATIENCE_MS)
  await second.kill()
  await writeFile(CURSOR_FILE, '7.aaaaaa')
  const third = follow()
  await until('the reset arrives', () => third.lines().some(line => /"reset"/.test(line)), PATIENCE_MS)

  t.strictSame(
    [...numbers(first.lines()), ...numbers(second.lines())],
    Array.from({ length: 60 }, (_, index) => index + 1),
  )
  t.match(third.lines().join(), /"saw":"reset","id":"60\.\w{6}","reason":"history-lost"/)
}
