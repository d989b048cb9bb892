import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { startNewcomersGateway } from '../../harness/newcomer.js'
import { startRunner } from '../../harness/runner-program.js'
import { nodeClient, startClient } from './client.js'

const run = promisify(execFile)
const script = join(packageRoot, 'examples/token.mjs')

t.test('with the tokens of the example a newcomer starts a runner and a command', async t => {
  const { url, folder } = await startNewcomersGateway(t)
  const tokenOf = async (role: string) =>
    (await run(process.execPath, [script, role], { cwd: folder, env: {} })).stdout.trim()

  await startRunner(t, url, { token: await tokenOf('runner') })
  const client = startClient(t, nodeClient, url, ['echo done; exit 3'], {
    SLUICE_TOKEN: await tokenOf('editor'),
  })

  t.equal(await client.ended(), 3)
  t.strictSame(client.lines('stdout'), ['done'])
})

t.test('a role that does not exist gets no token', async t => {
  await t.rejects(run(process.execPath, [script, 'owner'], { env: {} }), { code: 2, stderr: /^Usage: / })
})
