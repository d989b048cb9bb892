/** `sluice/testing`, as the tests of an application use it: the gateway, and the contract of a bus under node:test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startTestGateway } from '../../../server/testing.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { within } from '../../harness/patience.js'
import { temporaryFolder } from '../../harness/server.js'
import { bearer } from '../../harness/tokens.js'

const PATIENCE_MS = 60_000

t.test('a test gateway starts, publishes, streams, and closes as often as it is asked to', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startTestGateway({ databaseUrl, prefix: '/live' })
  t.teardown(() => gateway.close())
  const headers = bearer(gateway.token())
  const stream = await openStream(t, `${gateway.url}/api/events`, { headers })

  const published = await fetch(`${gateway.url}/api/events`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: '{"type":"door.opened","data":{"door":7}}',
  })
  t.equal(published.status, 201)
  t.match(await stream.until(1, 'door.opened'), [{ data: '{"door":7}' }])
  t.equal(gateway.sluice.clients().total, 1)

  await within(PATIENCE_MS, Promise.all([gateway.close(), gateway.close()]), () => 'It did not close.')
  await gateway.close()
  t.ok(await stream.ended(), 'a clean end')
  t.match(stream.messages.at(-1), { event: 'server.state', data: /draining/ })
})

t.test('a test gateway without a database starts one, and leaves no folder behind', async t => {
  const folder = await temporaryFolder()
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  await t.rejects(startTestGateway({ drainMs: -1 }), 'an option is refused')
  const authenticate = async () => undefined
  const gateway = await startTestGateway({ authenticate })

  t.equal((await fetch(`${gateway.url}/api/items`)).status, 401)

  await within(PATIENCE_MS, Promise.all([gateway.close(), gateway.close()]), () => 'It did not close.')
  t.strictSame(await readdir(folder), [])
})

t.test('the contract of a bus runs with node:test, and finds a bus that loses wakes', async t => {
  const run = async (bus: string) => {
    const program = `
      import { test } from 'node:test'
      import { busContract } from '${new URL('../../../server/testing.js', import.meta.url)}'
      import { MemoryBus } from '${new URL('../../../src/bus/memory-bus.js', import.meta.url)}'
      const prepare = async () => { const channel = new Set(); return () => ${bus} }
      for (const { title, run } of busContract(prepare, { patienceMs: () => 500 })) test(title, run)`
    const child = spawn(process.execPath, ['--test-reporter=tap', '--input-type=module', '--eval', program])
    const ended = Promise.all([text(child.stdout), once(child, 'exit')])
    const [report] = await within(PATIENCE_MS, ended, () => 'The contract has not ended.')
    return report
  }

  const [good, deaf] = await Promise.all([run('new MemoryBus(channel)'), run('new MemoryBus()')])

  t.match(good, /^# pass 8$/m)
  t.match(good, /^# fail 0$/m)
  t.match(deaf, /^not ok \d+ - a wake reaches all other buses$/m)
})
