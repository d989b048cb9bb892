/** clients/typescript and a gateway that is killed: nothing is lost, nothing comes twice, and a job is followed to its result. */
import t, { type Test } from 'tap'
import { type Client, createClient } from '../../../../clients/typescript/src/client.js'
import { createDatabase } from '../../../harness/database.js'
import { within } from '../../../harness/patience.js'
import { type GatewayProcess, startProcess } from '../../../harness/process.js'
import { bearer, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const PATIENCE_MS = 60_000
const KILLS = 2

t.test(
  'a gateway is killed and started again: every event is stored once and arrives once, in order',
  async t => {
    const { url: databaseUrl } = await createDatabase(t)
    let gateway = await startProcess(t, { databaseUrl })
    const client = clientOf(gateway)
    const received: unknown[] = []
    const feed = client.feed({ types: ['number.drawn'], from: 'beginning', retry: 50 })
    const following = feed.each(({ data }) => received.push(data.n))
    const publishing = publishUntilStopped(t, client)

    for (let kills = 1; kills <= KILLS; kills++) {
      const before = received.length
      await until('events arrive', () => received.length >= before + 20, PATIENCE_MS)
      await gateway.kill()
      await until('the publisher waits', () => publishing.isWaiting(), PATIENCE_MS)
      gateway = await startProcess(t, { databaseUrl, port: gateway.port })
    }
    const before = received.length
    await until('events arrive again', () => received.length >= before + 20, PATIENCE_MS)
    const published = await publishing.stop()
    await until('all have arrived', () => received.length >= published, PATIENCE_MS)
    feed.close()
    await following

    t.strictSame(
      received,
      Array.from({ length: published }, (_, index) => index + 1),
    )
  },
)

t.test('a job is followed to its result, although the gateway is killed meanwhile', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateway = await startProcess(t, { databaseUrl })
  const client = clientOf(gateway)
  const { id } = await client.jobs.create({ kind: 'command', project: 'website' })
  const job = client.job(id, { retry: 50 })
  const types: string[] = []
  const following = (async () => {
    for await (const { type } of job.events) types.push(type)
  })()
  await call(gateway, '/api/jobs/claim', { runner: 'build-7', lease_ms: 300_000 })
  await until('the job is seen to have started', () => types.includes('job.started'), PATIENCE_MS)

  await gateway.kill()
  const restarted = await startProcess(t, { databaseUrl, port: gateway.port })
  await call(restarted, `/api/jobs/${id}/events`, {
    type: 'output',
    data: { line: 'ok 1', stream: 'stdout' },
  })
  await call(restarted, `/api/jobs/${id}/complete`, { result: { exit_code: 0 } })
  const end = await within(PATIENCE_MS, Promise.resolve(job), () => `only ${types.join(', ')}`)
  await following

  t.strictSame(end, { job_id: id, status: 'completed', result: { exit_code: 0 }, attempt: 1 })
  t.strictSame(types, ['job.created', 'job.started', 'output', 'job.completed'])
})

function clientOf({ url }: GatewayProcess): Client {
  return createClient({ url, credentials: token({ role: 'editor' }), retry: 50, max: 500, attempts: 1_000 })
}

/** Publishes 1, 2, 3, … one after the other. */
function publishUntilStopped(t: Test, client: Client) {
  const ended = new AbortController()
  t.teardown(() => ended.abort())
  let n = 0
  let since = performance.now()
  let isStopped = false
  const publishing = (async () => {
    while (!isStopped && !ended.signal.aborted) {
      since = performance.now()
      n += 1
      await client.publish({ type: 'number.drawn', data: { n } }, { signal: ended.signal })
    }
  })()
  return {
    isWaiting: () => performance.now() - since > 500,
    /** @returns how many it has published. */
    async stop() {
      isStopped = true
      await within(PATIENCE_MS, publishing, () => `publish ${n} goes on`)
      return n
    },
  }
}

/** As the runner of the job. */
async function call({ url }: GatewayProcess, path: string, body: object): Promise<void> {
  const headers = {
    ...bearer(token({ role: 'runner', sub: 'build-7' })),
    'content-type': 'application/json',
    'x-job-attempt': '1',
  }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}
