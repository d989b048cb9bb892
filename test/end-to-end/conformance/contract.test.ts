/**
 * The clients for Python and Go behave as every case of the contract says, in both layers. The one for TypeScript is tested in
 * test/unit/clients/typescript/, since it needs no toolchain.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { holdToContract } from '../../harness/contract.js'
import { go, type Lane, python } from './client-lanes.js'

const run = promisify(execFile)
const clients = join(packageRoot, 'clients')
const built = join(packageRoot, '.build/contract')

await test(python, async t => {
  const program = join(built, 'python/bin/python')
  await run('python3', ['-m', 'venv', join(built, 'python')])
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
  await run(program, [
    ...pip,
    '--require-hashes',
    '--requirement',
    join(packageRoot, 'conformance/clients/python/requirements.txt'),
  ])
  const adapter = [
    `PYTHONPATH=${join(clients, 'python/src')}`,
    program,
    '-B',
    join(clients, 'python/conformance/adapter.py'),
  ]

  for (const way of ['threads', 'tasks']) {
    await t.test(way, t => holdToContract(t, ['env', ...adapter, way]))
  }
})

await test(go, async t => {
  const program = join(built, 'go-adapter')
  await run('go', ['build', '-o', program, './conformance'], { cwd: join(clients, 'go') })

  await holdToContract(t, [program])
})

/** Without its toolchain a client is not tested; that is a failure only if `.ci/run` installs it. */
async function test({ language, installed, missing }: Lane, hold: (t: Test) => Promise<void>): Promise<void> {
  const reason = missing()
  // Standard error, since the report of the tests shows no comments.
  if (reason !== undefined) console.error(`not run: ${language}: ${reason}`)
  if (reason !== undefined && !installed) return
  await t.test(`the client for ${language} keeps the contract`, { skip: reason ?? false }, hold)
}
