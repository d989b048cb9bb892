/** Attack: connections that say nothing, without credentials, until the process has no file descriptor left. */
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ArtifactLinks } from '../../../src/jobs/artifacts.js'
import { createDatabase } from '../../harness/database.js'
import { limitDescriptors, openDescriptors, withoutPrlimit } from '../../harness/descriptors.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish } from '../../harness/gateway.js'
import { type GatewayProcess, startProcess } from '../../harness/process.js'
import { SECRET } from '../../harness/tokens.js'
import { succeeds, until } from '../../harness/until.js'

const SILENT = 20
const SPARE = 15
const SHORT = /File descriptors are short/g
const skip = withoutPrlimit()

t.test(
  'without descriptors open streams go on and new connections are closed, until descriptors are free',
  { skip },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl })
    const kept = keepConnection(t, gateway)
    const streams = await Promise.all(
      [1, 2, 3].map(() => openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })),
    )
    for (const stream of streams) await stream.until(1, 'server.state')
    t.equal(await kept('POST', '/api/events', '{"type":"thing.made","data":{"n":1}}'), 201)
    await limitDescriptors(gateway.pid, (await openDescriptors(gateway.pid)) + SPARE)

    const silent = await Promise.all(Array.from({ length: SILENT }, () => connectSilently(t, gateway.port)))
    await until('some are closed', () => silent.some(socket => socket.destroyed))
    await until('the shortage is logged', () => SHORT.test(gateway.output()))
    t.equal(
      await kept('POST', '/api/events', '{"type":"thing.made","data":{"n":2}}'),
      201,
      'a connection that was open serves',
    )
    for (const stream of streams) await stream.until(2, 'thing.made')

    for (const socket of silent) socket.destroy()
    await until('a new connection is served', () =>
      succeeds(publish(gateway, { type: 'thing.made', data: { n: 3 } })),
    )
    for (const stream of streams) t.equal((await stream.until(3, 'thing.made')).length, 3)
    t.equal(gateway.output().match(SHORT)?.length, 1, 'told once')
    t.notMatch(gateway.output(), /"level":[56]0/)
    t.equal(await gateway.stop(), 0)
  },
)

t.test(
  'requests that need a descriptor get 503 while there is none, and are served afterwards',
  { skip },
  async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const folder = t.testdir({ acme: { 'report.txt': 'all good' } })
    const gateway = await startProcess(t, { databaseUrl, env: { ARTIFACTS_DIR: folder } })
    const kept = keepConnection(t, gateway)
    const download = () => kept('GET', new ArtifactLinks(SECRET).sign('acme', 'report.txt', Date.now()))
    const publishOne = () => kept('POST', '/api/events', '{"type":"thing.made","data":{}}')
    t.equal(await download(), 200)
    t.equal(await publishOne(), 201)

    // Fewer descriptors than are open: nothing new can be opened, not even after a descriptor is closed.
    await limitDescriptors(gateway.pid, 10)
    t.equal(await download(), 503)
    await pool.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'sluice%'`)
    await until('a publish is refused', async () => (await publishOne()) === 503)
    await limitDescriptors(gateway.pid, 1_000)

    await until('a publish is taken', async () => (await publishOne()) === 201)
    t.equal(await download(), 200)
    t.notMatch(gateway.output(), /"level":[56]0/)
    t.equal(await gateway.stop(), 0)
  },
)

t.test(
  'streams beyond the descriptor limit get a retry time, and the start logs the shortage',
  { skip },
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    const gateway = await startProcess(t, { databaseUrl, descriptors: 250 })
    const [line = '', room = ''] = await gateway.until(/"limit":250,"streams":(\d+),.*MAX_STREAMS.*/)
    t.match(line, /ulimit -n/)

    const open = () => openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
    const streams = await Promise.all(Array.from({ length: Number(room) }, open))
    for (const stream of streams) t.match((await stream.until(1))[0]?.event, 'server.state')
    const oneMore = await open()

    t.match(await oneMore.until(1), [{ event: 'unavailable', data: '{"reason":"limit"}' }])
    await until('it is ready', async () => (await fetch(`${gateway.url}/ready`)).status === 200)
  },
)

async function connectSilently(t: Test, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** Sends requests by one connection that stays open, and gives the status. */
function keepConnection(t: Test, { port }: GatewayProcess) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  return async (method: string, path: string, body?: string) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const headers = { ...as('editor'), ...type }
    const sent = request({ port, host: '127.0.0.1', path, method, headers, agent })
    sent.end(body)
    const [response] = await once(sent, 'response')
    response.resume()
    await once(response, 'end')
    return response.statusCode
  }
}
