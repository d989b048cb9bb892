/** The units of deploy/systemd, as systemd itself reads them. It need not run: its tools judge files. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { runnerCommand } from '../../../server/cli/commands/runner.js'
import { drainDelayOf } from '../../../server/stop-sequence.js'
import { readConfig } from '../../../src/config/config.js'
import { Environment } from '../../../src/config/environment.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { read } from '../../harness/document.js'
import { findProgram } from '../../harness/program.js'

const run = promisify(execFile)
const FOLDER = 'deploy/systemd'
/** Of ten; what is left is the network, and memory that is both writable and executable. */
const MOST_EXPOSURE = 2
const SPARE_SECONDS = 5
const DELAY_SECONDS = drainDelayOf({ ...readConfig({}), NODE_ENV: 'production' }) / 1_000
const analyze = findProgram(['systemd-analyze'])
const skip = analyze === undefined && 'systemd is not installed (apt-get install systemd)'

t.test('the units are valid, and leave little exposed', { skip }, async t => {
  const units = (await readdir(join(packageRoot, FOLDER))).filter(name => name.endsWith('.service'))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-systemd-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const unit of units) {
    // Programs must exist, and they are elsewhere here.
    const text = read(join(FOLDER, unit))
      .replaceAll('/usr/bin/node', process.execPath)
      .replaceAll('/opt/sluice', packageRoot)
    await writeFile(join(folder, unit), text)
  }
  const files = units.map(unit => join(folder, unit))

  t.equal(units.length, 2)
  t.strictSame(await run(analyze ?? '', ['verify', '--man=no', ...files]), { stdout: '', stderr: '' })
  const exposures = await Promise.all(
    files.map(async file => {
      const options = ['security', '--offline=true', '--no-pager', file]
      const { stdout } = await run(analyze ?? '', options)
      return Number(/Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1])
    }),
  )
  t.strictSame(
    exposures.filter(exposure => !(exposure <= MOST_EXPOSURE)),
    [],
  )
})

t.test('a unit has time for a complete stop, and its program, settings and options exist', async t => {
  const [, stop = ''] = /STOP_DEADLINE_MS = (\d+)_000/.exec(read('server/serve.ts')) ?? []
  const [gateway, runner] = ['sluice.service', 'sluice-runner@.service'].map(name => read(join(FOLDER, name)))
  const settings = [...read(join(FOLDER, 'README.md')).matchAll(/([A-Z][A-Z_]+)=/g)].map(([, name]) => name)
  const options = [...(/^ExecStart=.*/m.exec(runner ?? '')?.[0].matchAll(/ (--[a-z-]+) /g) ?? [])].map(
    ([, option]) => option,
  )
  const known = Object.values(runnerCommand.options).map(({ form }) => form.split(' ')[0])

  t.match(read('Dockerfile'), '"dist/server/main.js"')
  const seconds = (text = '') => Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])
  t.ok(seconds(gateway) >= DELAY_SECONDS + Number(stop) + SPARE_SECONDS)
  for (const text of [gateway, runner]) {
    t.match(text, /^ExecStart=\/usr\/bin\/node \/opt\/sluice\/dist\/server\/main\.js( runner |$)/m)
    t.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(text ?? '')?.[1]) >= Number(stop) + SPARE_SECONDS)
    t.match(text, /^KillMode=mixed$/m)
  }
  t.ok(settings.includes('JWT_SECRET'))
  t.strictSame(
    settings.filter(name => !Object.hasOwn(Environment.properties, name ?? '')),
    [],
  )
  t.ok(options.includes('--project'))
  t.strictSame(
    options.filter(option => !known.includes(option ?? '')),
    [],
  )
})
