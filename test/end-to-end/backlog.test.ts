import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { as, publish } from '../harness/gateway.js'
import { startProcess } from '../harness/process.js'
import { connectRaw, get } from '../harness/raw-client.js'
import { until } from '../harness/until.js'

/** More than Node lets wait by itself. */
const CLIENTS = 1_500
const STREAMS = 2_000

const longest = Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8').catch(() => '0'))

for (const WORKERS of ['1', '2']) {
  const name = `clients that come all at once are kept until they are taken up (WORKERS=${WORKERS})`
  t.test(name, { skip: longest <= CLIENTS && `${longest} may wait here, if that is known` }, async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, env: { WORKERS } })
    await freeze(t, gateway.pid)
    let connected = 0

    for (let n = 0; n < CLIENTS; n += 1) {
      const socket = connect(gateway.port, '127.0.0.1', () => {
        connected += 1
      })
      socket.on('error', () => {})
      t.teardown(() => socket.destroy())
    }

    await until('all of them', () => connected === CLIENTS)
    t.pass('nobody was turned away')
  })
}

t.test('2,000 streams open in the same moment, and each gets every event once', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const env = { MAX_STREAMS_PER_PRINCIPAL: '0', MAX_STREAMS_PER_ADDRESS: '0' }
  const gateway = await startProcess(t, { databaseUrl, env })
  const ids = await publish(gateway, { type: 'thing.made', data: {} })
  const headers = `Accept: text/event-stream\nAuthorization: ${as('viewer').authorization}\n`
  const request = get('/api/events?from=beginning', '1.1', headers)

  const startedAt = performance.now()
  const opening = Array.from({ length: STREAMS }, () => connectRaw(t, gateway.port, request))
  const askedMs = performance.now() - startedAt
  ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))
  const clients = await Promise.all(opening)
  ids.push(...(await publish(gateway, { type: 'thing.made', data: {} })))

  const last = `id: ${ids.at(-1)}`
  await until(
    'the last event at all of them',
    () => clients.every(({ text }) => text().includes(last)),
    60_000,
  )
  t.comment(
    `asked within ${Math.round(askedMs)} ms, all there after ${Math.round(performance.now() - startedAt)} ms`,
  )
  const seen = new Set(clients.map(client => idsOf(client.body()).join()))
  t.strictSame([...seen], [ids.join()])
  t.notOk(
    clients.some(({ text }) => text().includes('unavailable')),
    'nobody was sent away',
  )
})

function idsOf(body: string): string[] {
  return [...body.matchAll(/^id: (\S+)\r?\nevent: thing.made/gm)].map(([, id = '']) => id)
}

/** Stops the process and its children where they are, as if they were busy with something else. */
async function freeze(t: Test, pid: number): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  for (const each of [...children.split(' ').filter(Boolean).map(Number), pid]) {
    process.kill(each, 'SIGSTOP')
    t.teardown(() => process.kill(each, 'SIGCONT'))
  }
}
