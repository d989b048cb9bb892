/** Clients that come back together wait for the same things. What they waited for then serves them a few at a time, so all others go on. */
import t from 'tap'
import { admitStream } from '../../../src/hub/stream-admission.js'
import { parseEventId } from '../../../src/log/event-id.js'
import { sse } from '../../../src/sse/encoding.js'
import { countTurns, spin } from '../../harness/event-loop.js'
import { observed, startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

/** Some of them are let through in a slice before the first one of them has worked. */
const CLIENTS = 100

t.test('clients that have waited together for the look-up of a stream continue in several turns', async t => {
  const { hub } = await startHub(t)
  const loop = countTurns(t)

  const continuedIn = await Promise.all(
    Array.from({ length: 40 }, async () => {
      await hub.open('acme', 'feed')
      spin(1)
      return loop.turns
    }),
  )

  t.ok(new Set(continuedIn).size >= 4, `${continuedIn}`)
})

t.test('so they do after a look-up so long that each waits for its client to disconnect, too', async t => {
  const { hub, pool } = await startHub(t)
  const loop = countTurns(t)
  const client = await pool.connect()
  t.teardown(() => client.release())
  let watched = 0
  const reader = {
    get gone() {
      watched += 1
      return new AbortController().signal
    },
  }

  await client.query('begin; lock table sluice.streams in access exclusive mode')
  const opened = Promise.all(
    Array.from({ length: 40 }, async () => {
      await hub.open('acme', 'feed', reader)
      spin(1)
      return loop.turns
    }),
  )
  await until('all to wait for their clients', () => watched >= 40)
  await client.query('commit')

  const continuedIn = await opened
  t.ok(new Set(continuedIn).size >= 4, `${continuedIn}`)
})

t.test('so they do if the limit of a stream has them look for its followers first', async t => {
  const { hub } = await startHub(t)
  const loop = countTurns(t)
  const request = { workspace: 'acme', stream: 'feed', encoding: sse, from: { at: 'now' } } as const
  const continuedIn: number[] = []
  const openSink = () => {
    spin(1)
    continuedIn.push(loop.turns)
    throw new Error('It is admitted.')
  }

  const first = hub.open('acme', 'feed')
  await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      t.rejects(admitStream(hub, { ...request, maxFollowers: CLIENTS }, { openSink }), /admitted/),
    ),
  )

  t.ok(await first)
  t.equal(continuedIn.length, CLIENTS)
  t.ok(new Set(continuedIn).size >= 4, `${continuedIn}`)
})

t.test('clients whose event ids have waited for the same page continue in several turns', async t => {
  let reads = 0
  const { hub, append } = await startHub(t, {
    reading: database =>
      observed(database, name => {
        if (name === 'sluice-read-page') reads += 1
      }),
  })
  const ids = await append(300)
  const handle = await hub.open('acme', 'feed')
  if (!handle) throw new Error('There is no feed.')
  const loop = countTurns(t)
  const after = (place: number) => ({ at: 'after', id: parseEventId(ids[place] ?? '') ?? 'unknown' }) as const

  const continuedIn = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, place) => {
      const { cursor } = await hub.starts.resolve(handle.stream, after(place))
      spin(1)
      t.equal(cursor.position, place + 1)
      return loop.turns
    }),
  )

  t.equal(reads, 1)
  t.ok(new Set(continuedIn).size >= 4, `${continuedIn}`)
})
