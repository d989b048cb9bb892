/** The TypeScript client behaves as every case of the contract says, in both layers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { patient } from '../../../harness/patience.js'

const dist = join(packageRoot, 'dist')

t.test('every case of the contract holds, and none is left out', async t => {
  const run = spawn(process.execPath, [
    join(dist, 'conformance/contract/run.js'),
    '--faults',
    ...['--patience', String(patient(1_000) / 1_000)],
    ...['--', process.execPath, join(dist, 'clients/typescript/conformance/adapter.js')],
  ])
  let output = ''
  for (const stream of [run.stdout, run.stderr])
    stream.setEncoding('utf8').on('data', text => (output += text))
  const [status] = await once(run, 'close')

  t.equal(status, 0, output)
  t.match(
    output,
    /standard: (\d+) of \1 cases hold, 0 left out\n.*beyond it: (\d+) of \2 cases hold, 0 left out/,
  )
})
