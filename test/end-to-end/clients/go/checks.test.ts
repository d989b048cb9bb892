/** The client for Go by its own tools and by the contract, and the program of its README against a gateway. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { holdToContract } from '../../../harness/contract.js'
import { read } from '../../../harness/document.js'
import { startGateway } from '../../../harness/gateway.js'
import { patient } from '../../../harness/patience.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'
import { build, go, goClient, start, withoutGo } from './programs.js'

const PATIENCE_MS = 30_000
const skip = withoutGo()

t.test('its tests pass with the race detector, and no tool has anything to say', { skip }, async t => {
  t.equal(await go(['gofmt', '-l', '.']), '')
  await go(['vet', './...'])
  t.match(await go(['test', '-race', '-timeout', `${patient(60_000)}ms`, './...']), /^ok/)
})

t.test('its parser finds the same blocks in random bytes, wherever they are divided', { skip }, async t => {
  const output = await go(['test', '-run', '^$', '-fuzz', 'FuzzParser', '-fuzztime', '20000x', './sse'])

  t.match(output, /^PASS/m)
})

t.test('it keeps the contract, with the race detector', { skip }, async t => {
  await holdToContract(t, [await build('conformance')])
})

t.test('the program of the README publishes an event and gets it', { skip }, async t => {
  const [, code = ''] = /^```go\n(.*?)^```$/ms.exec(read('clients/go/README.md')) ?? []
  const folder = join(packageRoot, '.build/clients/go-readme')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'main.go'), code)
  await go(['mod', 'init', 'readme'], folder)
  await go(
    ['mod', 'edit', '-require=sluice.example/client@v0.0.0', `-replace=sluice.example/client=${goClient}`],
    folder,
  )
  t.equal(await go(['gofmt', '-l', '.'], folder), '')
  await go(['vet', '.'], folder)
  await go(['build', '-o', 'program', '.'], folder)
  const { url } = await startGateway(t)
  const program = start(t, 'sh', { SLUICE_URL: url, SLUICE_TOKEN: token({ role: 'editor' }) }, [
    '-c',
    `cd ${folder} && rm -f doors.cursor && exec ./program`,
  ])
  await until('the event arrives', () => program.lines().length > 0 || program.ended(), PATIENCE_MS)

  t.match(program.lines(), [/^1\.\w{6} door\.opened \{"door":7\}$/], program.log())
})
