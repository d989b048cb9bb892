import t, { type Test } from 'tap'
import { type EventPageRequest, readEventPage } from '../../../src/hub/event-page.js'
import type { HubStream } from '../../../src/hub/hub-stream.js'
import type { Position } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { observed, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

const beginning = { position: 0 as Position }

t.test('a page has the events after the cursor, and the cursor to ask with next', async t => {
  const { ask, append } = await start(t)
  await append(5)

  const first = await ask({ limit: 3 })
  const second = await ask({ after: first.next })
  const third = await ask({ after: second.next })

  t.strictSame([first, second, third].map(positions), [[1, 2, 3], [4, 5], []])
  t.equal(third.next.position, 5)
  t.equal(third.head.position, 5)
})

t.test('a rare type is found behind many others, and the cursor goes past them', async t => {
  const { ask, append } = await start(t)
  await append(12_000)
  await append(1, '{}', 'thing.lost')
  await append(10)
  const filter = EventFilter.ofTypes('thing.lost')

  const page = await ask({ filter })
  const rest = await ask({ filter, after: page.next })

  t.strictSame([page, rest].map(positions), [[12_001], []])
  t.equal(rest.next.position, 12_011)
})

t.test('the next event ends a wait', async t => {
  const { ask, append, waiting } = await start(t)
  const page = ask({ waitMs: 60_000 })
  await until('it waits', waiting)

  await append(1)

  t.strictSame(positions(await page), [1])
})

t.test('an event that is committed just after the page was read ends the wait', async t => {
  let armed = true
  const { ask, append, stream } = await start(t, async name => {
    if (name !== 'sluice-read-page' || !armed) return
    armed = false
    await append(1)
    await until('the tailer has told', () => stream.head.position === 1)
  })

  const page = await ask({ waitMs: 60_000 })

  t.strictSame(positions(page), [1])
})

t.test('events of other types do not end the wait', async t => {
  const { ask, append, waiting } = await start(t)
  const page = ask({ waitMs: 60_000, filter: EventFilter.ofTypes('thing.lost') })
  await until('it waits', waiting)

  await append(3)
  await append(1, '{}', 'thing.lost')

  t.strictSame(positions(await page), [4])
})

t.test('the page is empty when the time is up', async t => {
  const { ask } = await start(t)

  const page = await ask({ waitMs: 20 })

  t.strictSame(positions(page), [])
})

t.test('the wait ends when the client disconnects or the process ends', async t => {
  const { ask, hub, waiting } = await start(t)
  const gone = new AbortController()
  const left = ask({ waitMs: 60_000, signal: gone.signal })
  await until('it waits', waiting)
  gone.abort()
  t.strictSame(positions(await left), [])

  const draining = ask({ waitMs: 60_000 })
  await until('it waits', waiting)
  await hub.drain(0)
  t.strictSame(positions(await draining), [])
  t.strictSame(positions(await ask({ waitMs: 60_000 })), [], 'nobody begins to wait either')
})

t.test('a client that has disconnected before the wait begins does not wait', async t => {
  const { ask } = await start(t)

  t.strictSame(positions(await ask({ waitMs: 60_000, signal: AbortSignal.abort() })), [])
})

t.test('no wait leaves anything behind', async t => {
  const { ask, append, waits } = await start(t)

  for (let n = 0; n < 20; n += 1) await ask({ waitMs: 1 })
  await append(1)
  for (let n = 0; n < 20; n += 1) await ask({ waitMs: 60_000 })

  t.equal(waits(), 0)
})

async function start(t: Test, answered: (name: string) => unknown = () => {}) {
  const hub = await startHub(t)
  const handle = await hub.hub.open('acme', 'feed')
  if (!handle) throw new Error('The feed is always there.')
  t.teardown(handle.release)
  const { stream } = handle
  // How many calls wait: those that have asked the stream to grow and have no answer yet.
  let waits = 0
  const { grown } = stream
  stream.grown = signal => {
    waits += 1
    const growth = grown.call(stream, signal)
    void growth.then(() => {
      waits -= 1
    })
    return growth
  }
  const database = observed(hub.pool, () => {}, answered)
  return {
    ...hub,
    stream: stream as HubStream,
    waits: () => waits,
    waiting: () => waits > 0,
    ask: async (request: Partial<EventPageRequest>) => {
      const page = await readEventPage(database, stream, {
        workspace: 'acme',
        after: beginning,
        limit: 100,
        filter: undefined,
        waitMs: 0,
        signal: new AbortController().signal,
        ...request,
      })
      if ('reason' in page) throw Object.assign(new Error('The page was reset.'), { reset: page })
      return page
    },
  }
}

function positions({ events }: { events: readonly { position: number }[] }): number[] {
  return events.map(({ position }) => position)
}
