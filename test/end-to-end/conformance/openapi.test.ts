/** The description of the API as others' tools take it: linters without a word, clients that are generated, publish and read refusals. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'

const cwd = join(packageRoot, 'conformance/openapi')
const generated = join(cwd, 'generated')
const document = join(generated, 'openapi.json')
const tool = (name: string) => join(cwd, 'node_modules/.bin', name)
const REFUSED = '404 not-found: There is no such event in your workspace.'
const withoutPython =
  spawnSync('python3', ['-c', 'import ensurepip, venv']).status !== 0 &&
  'Python is missing (apt-get install python3-venv)'

const { url } = await startGateway(t)
const env = { ...process.env, SLUICE_URL: url, SLUICE_TOKEN: token({ role: 'editor' }) }
await rm(generated, { recursive: true, force: true })
await mkdir(generated, { recursive: true })
await writeFile(document, await (await fetch(`${url}/openapi.json`)).text())
// They are downloaded first where they are not there yet.
if (await isOlder('node_modules/.package-lock.json', 'package-lock.json')) {
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
}

// redocly reads it in test/integration/openapi/rules.test.ts.
t.test('spectral finds nothing', async t => {
  const spectral = await run(tool('spectral'), [
    'lint',
    document,
    '--ruleset=spectral.yaml',
    '--fail-severity=hint',
  ])

  t.match(spectral, /^No results/)
})

t.test('a client generated for TypeScript compiles, publishes and reads a refusal', async t => {
  await run(tool('openapi-typescript'), [document, '--output', join(generated, 'sluice.d.ts')])
  await run(tool('tsc'), [])

  const printed = await run(process.execPath, ['generated/publish.js'])
  t.equal(printed, `order.placed {"by":"typescript"}\n${REFUSED}\n`)
})

t.test('a client generated for Python publishes and reads a refusal', { skip: withoutPython }, async t => {
  const venv = join(generated, 'venv')
  await run('python3', ['-m', 'venv', venv])
  const python = join(venv, 'bin/python')
  await run(python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--requirement=requirements.txt',
  ])
  const output = join(generated, 'python')
  // It formats what it has generated with the ruff that it brings, which it looks for on the PATH.
  const PATH = `${join(venv, 'bin')}:${process.env.PATH}`
  await run(
    python,
    [
      '-m',
      'openapi_python_client',
      'generate',
      `--path=${document}`,
      `--output-path=${output}`,
      '--config=python.yaml',
    ],
    { PATH },
  )

  const printed = await run(python, ['publish.py'], { PYTHONPATH: output })
  t.equal(printed, `order.placed {"by":"python"}\n${REFUSED}\n`)
})

/** What the program wrote. @throws with all of its output when it fails. */
async function run(
  file: string,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, {
      cwd,
      env: { ...env, ...more },
      maxBuffer: 2 ** 24,
    })
    return stdout
  } catch (error) {
    const { stdout, stderr } = Object(error)
    throw new Error(`${file} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

async function isOlder(file: string, than: string): Promise<boolean> {
  const [made, source] = await Promise.all(
    [file, than].map(name => stat(join(cwd, name)).catch(() => undefined)),
  )
  return made === undefined || source === undefined || made.mtimeMs < source.mtimeMs
}
