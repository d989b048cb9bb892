/** clients/typescript on a real gateway: the feed, publishing and jobs as an application uses them. */
import t from 'tap'
import { type AnyEvent, createClient, type StreamState } from '../../../../clients/typescript/src/client.js'
import { startGateway } from '../../../harness/gateway.js'
import { within } from '../../../harness/patience.js'
import { token } from '../../../harness/tokens.js'

const PATIENCE_MS = 20_000

t.test('an application gets what it asks for, from the place that it asks for', async t => {
  const { url } = await startGateway(t)
  const client = createClient({ url, credentials: token({ role: 'editor' }) })
  await client.publish([
    { type: 'door.opened', data: { door: 1 } },
    { type: 'lift.moved', data: { floor: 3 } },
    { type: 'door.opened', data: { door: 2 } },
  ])
  const states: StreamState['name'][] = []
  const feed = client.feed({
    types: ['door.opened'],
    from: 'beginning',
    onState: ({ name }) => states.push(name),
  })

  const events: AnyEvent[] = []
  await within(PATIENCE_MS, collect(feed, events, 2), () => `got ${JSON.stringify(events)}`)

  t.strictSame(
    events.map(({ type, data }) => [type, data]),
    [
      ['door.opened', { door: 1 }],
      ['door.opened', { door: 2 }],
    ],
  )
  t.strictSame(states, ['connecting', 'open', 'closed'])
})

t.test('a job resolves with its end, and shows its events on the way', async t => {
  const { url } = await startGateway(t)
  const client = createClient({ url, credentials: token({ role: 'editor' }) })
  const { id } = await client.jobs.create({ kind: 'command', payload: { command: 'true' } })
  const job = client.job(id)

  const types: string[] = []
  const followed = (async () => {
    for await (const { type } of job.events) types.push(type)
  })()
  await job.cancel()
  const end = await within(PATIENCE_MS, Promise.resolve(job), () => `got ${types.join(', ')}`)
  await followed

  t.match(end, { job_id: id, status: 'cancelled', result: null })
  t.strictSame(types, ['job.created', 'job.cancelled'])
  t.strictSame(await client.job(id), end)
})

t.test('a job that is awaited twice is followed once', async t => {
  const { url } = await startGateway(t)
  const streams: string[] = []
  const client = createClient({
    url,
    credentials: token({ role: 'editor' }),
    fetch: (input, init) => {
      if (String(input).includes('stream=')) streams.push(String(input))
      return fetch(input, init)
    },
  })
  const { id } = await client.jobs.create({ kind: 'command', payload: { command: 'true' } })
  const job = client.job(id)

  const both = Promise.all([job, job])
  await job.cancel()
  const ends = await within(PATIENCE_MS, both, () => `asked for ${streams}`)

  t.match(ends, [{ status: 'cancelled' }, { status: 'cancelled' }])
  t.equal(streams.length, 1)
})

async function collect(feed: AsyncIterable<AnyEvent>, into: AnyEvent[], count: number): Promise<void> {
  for await (const event of feed) if (into.push(event) === count) return
}
