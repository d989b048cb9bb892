/** How a gateway hears that it shall stop: from a terminal, from npm, from somebody who is out of patience. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { createDatabase } from '../harness/database.js'
import { as, testEnvironment } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

/** Where this is compiled to, from the root of the package. */
const compiled = relative(packageRoot, fileURLToPath(new URL('../..', import.meta.url)))

// The terminal tells a Ctrl-C to the gateway and to npm, and npm hands it on where its shell has made way for the program.
t.test('signals that come together are one wish', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })

  // Two of a kind could be one before the process sees them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) gateway.signal(signal)

  t.equal(await gateway.ended(), 0)
  t.notMatch(gateway.output(), 'again')
})

t.test('a second signal ends the process at once, whatever work is left', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  const holder = await pool.connect()
  t.teardown(() => holder.release(true))
  await holder.query('begin; lock table sluice.events in access exclusive mode')
  const publishing = fetch(`${gateway.url}/api/events`, {
    method: 'POST',
    headers: { ...as('editor'), 'content-type': 'application/json' },
    body: '{"type":"thing.made","data":{}}',
  })
  const cutOff = t.rejects(publishing)
  await until('the publish waits', async () => {
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    return ((await holder.query(waiting)).rowCount ?? 0) > 0
  })

  await until('it has left', () => {
    gateway.signal('SIGTERM')
    return /^SIGTERM again: leaving at once$/m.test(gateway.output())
  })

  t.equal(await gateway.ended(), 1)
  await cutOff
})

// npm passes SIGTERM on to the shell that it started, and no further.
for (const name of ['start', 'runner', 'test', 'bench']) {
  t.test(`npm's script ${name} stops the program when its shell has ended`, async t => {
    t.match(scriptOf(name), / && node --import \.\/scripts\/parent\.mjs dist\//)
  })
}

t.test('a gateway stops when the shell in which npm started it ends', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const port = await freePort()
  const { PATH = '' } = process.env
  const script = scriptOf('start')
    .replace(/^node scripts\/compile\.mjs product/, 'true')
    .replace('dist/', `${compiled}/`)
  // A group of its own, so that whatever comes of the test nothing of it is left.
  const shell = spawn('/bin/sh', ['-c', script], {
    cwd: packageRoot,
    env: { ...testEnvironment(databaseUrl), PATH, PORT: `${port}` },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  t.teardown(() => endGroup(shell.pid))
  const left = once(shell.stdout.resume(), 'close')
  await until('it serves', () => serves(port), 30_000)

  shell.kill('SIGTERM')

  await until('it serves no more', async () => !(await serves(port)), 30_000)
  await left
})

function scriptOf(name: string): string {
  return JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).scripts[name]
}

async function serves(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health`).then(
    ({ ok }) => ok,
    () => false,
  )
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has left.
  }
}
