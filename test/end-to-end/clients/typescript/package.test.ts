/**
 * clients/typescript as a new user gets it: packed and installed into an empty folder, where the programs of its README are checked by
 * two versions of TypeScript and run against a gateway.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { startGateway } from '../../../harness/gateway.js'
import { patient } from '../../../harness/patience.js'
import { temporaryFolder } from '../../../harness/server.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const run = promisify(execFile)
const STEP_MS = 120_000
const OUTPUT_MS = 30_000
const OLDER_TYPESCRIPT = '5.9.3'
const client = join(packageRoot, 'clients/typescript')
const tsconfig = {
  compilerOptions: {
    module: 'NodeNext',
    target: 'ES2022',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: false,
  },
}

t.test(
  'the package works in an empty folder, and the programs of its README do what they say',
  { timeout: patient(600_000) },
  async t => {
    const folder = await temporaryFolder()
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }))
    const step = (command: string, args: readonly string[], cwd = folder) =>
      run(command, args, { cwd, timeout: patient(STEP_MS) })
    const manifest = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }

    await step('npm', ['pack', '--pack-destination', folder], client)
    await writeFile(join(folder, 'package.json'), '{"name":"user","private":true,"type":"module"}')
    await step('npm', [
      ...['install', '--no-audit', '--no-fund', '--prefer-offline', './sluice-client-0.1.0.tgz'],
      ...[`typescript@${OLDER_TYPESCRIPT}`, `@types/node@${manifest.dependencies['@types/node']}`],
    ])
    const programs = programsOf(await readFile(join(client, 'README.md'), 'utf8'))
    await Promise.all(programs.map((text, index) => writeFile(join(folder, `program-${index}.ts`), text)))
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
    await t.resolves(
      step(join(packageRoot, 'node_modules/.bin/tsc'), ['--noEmit']),
      'the TypeScript of Sluice',
    )
    await t.resolves(step(join(folder, 'node_modules/.bin/tsc'), []), `TypeScript ${OLDER_TYPESCRIPT}`)

    const { url } = await startGateway(t)
    const start = (index: number) => startProgram(t, folder, `program-${index}.js`, url)
    const [following, keeping] = [start(0), start(1)]
    await until('the second program follows', () => keeping.output().includes('open'), OUTPUT_MS)
    const [changing, consuming] = [start(2), start(3)]
    const outputs = () => [following, keeping, changing, consuming].map(({ output }) => output())
    const lines = [
      /door 7\nA01-0002 1\n/,
      /connecting\nopen\n.* item\.created\n.* item\.updated\n/,
      /cancelled null\n/,
      /^handled item\.created\nhandled item\.updated\n/,
    ]
    await until(
      'the programs have said it',
      () => outputs().every((text, at) => lines[at]?.test(text)),
      OUTPUT_MS,
    ).catch(error => t.fail(String(error), { outputs: outputs() }))

    t.match(changing.output(), /^stored 1\nprecondition-failed\ncancelled null\n$/)
    keeping.kill()
    const [, id] = /.*\n(.*) item\.updated/.exec(keeping.output()) ?? []
    await until('the cursor is saved', async () =>
      (await readFile(join(folder, 'cursors.json'), 'utf8')).includes(id ?? '?'),
    )
  },
)

/** The programs of a page, in their order. */
function programsOf(page: string): string[] {
  return [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(match => match[1] ?? '')
}

function startProgram(t: Test, cwd: string, file: string, url: string) {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, SLUICE_URL: url, SLUICE_TOKEN: token({ role: 'editor' }) }
  const child: ChildProcess = spawn(process.execPath, [file], { cwd, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', text => (output += text))
  t.teardown(() => child.kill('SIGKILL'))
  return { output: () => output, kill: () => child.kill('SIGKILL') }
}
