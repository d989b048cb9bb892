/** Clients that wait for the database and leave: nothing more is read for them, because the next ones wait behind them. */
import t, { type Test } from 'tap'
import { parseEventId } from '../../../src/log/event-id.js'
import { observed, startHub } from '../../harness/hub.js'
import { connect } from '../../harness/records.js'
import { until } from '../../harness/until.js'

/** More than the reads that run at a time. */
const CLIENTS = 20
const AT_A_TIME = 4
const PAGE = 256

t.test('the starts of clients that have gone are not read', async t => {
  const { hub, reads, release } = await startHeld(t, 'sluice-read-place')
  const handle = await hub.open('acme', 'feed')
  if (!handle) throw new Error('There is no feed.')
  const clients = Array.from({ length: CLIENTS }, client)
  const after = { at: 'after', id: parseEventId('99') ?? 'unknown' } as const

  const starts = clients.map(one =>
    hub.starts.resolve(handle.stream, after, undefined, one).catch(why => why),
  )
  await until('some are read', () => reads() > 1)
  for (const { leave } of clients) leave()
  release()
  await Promise.all(starts)

  t.ok(reads() <= AT_A_TIME, `${reads()} of ${CLIENTS} were read`)
  t.match(await hub.starts.resolve(handle.stream, after), { reset: { reason: 'unknown-id' } })
})

t.test('the starts of one workspace leave a turn to those of another', async t => {
  const { hub, pool, reads, release } = await startHeld(t, 'sluice-read-bounds')
  await pool.query(`select sluice.publish('other', 'feed', 'a', '{}')`)
  const [own, other] = [await hub.open('acme', 'feed'), await hub.open('other', 'feed')]
  if (!own || !other) throw new Error('There is no feed.')
  const clients = Array.from({ length: CLIENTS }, client)

  const starts = clients.map(one =>
    hub.starts.resolve(own.stream, { at: 'beginning' }, undefined, one).catch(why => why),
  )
  await until('some are read', () => reads() > 1)
  const before = reads()
  const later = hub.starts.resolve(other.stream, { at: 'beginning' })
  await until('that of the other workspace is read, too', () => reads() > before)
  for (const { leave } of clients) leave()
  release()

  t.equal((await later).cursor.position, 0)
  await Promise.all(starts)
})

t.test('the pages with the event ids of clients that have gone are not read', async t => {
  const { hub, append, reads, release } = await startHeld(t, 'sluice-read-page')
  const ids = await append(PAGE * (AT_A_TIME + 2))
  const handle = await hub.open('acme', 'feed')
  if (!handle) throw new Error('There is no feed.')
  const clients = Array.from({ length: AT_A_TIME + 2 }, client)

  const starts = clients.map((one, page) => {
    const after = { at: 'after', id: parseEventId(ids[page * PAGE + 9] ?? '') ?? 'unknown' } as const
    return hub.starts.resolve(handle.stream, after, undefined, one).catch(why => why)
  })
  await until('some are read', () => reads() === AT_A_TIME)
  for (const { leave } of clients) leave()
  release()
  await Promise.all(starts)

  t.equal(reads(), AT_A_TIME)
})

t.test('a stream for which nobody waits any more is not looked up', async t => {
  const { hub, tailer, leave, unlock } = await startWaiting(t)

  await leave()
  await unlock()
  await hub.open('acme', 'e')

  t.equal(tailer.streams.length, ALL.length + 1, 'those of the clients that have stayed')
})

t.test('a client that comes after the last one has left a look-up gets the stream', async t => {
  const { hub, tailer, pool, leave, unlock } = await startWaiting(t)

  await leave()
  const again = hub.open('acme', 'd')
  await unlock()

  const handle = await again
  t.equal(tailer.streams.length, ALL.length + 1)
  await pool.query(`select sluice.publish('acme', 'd', 'a', '{}')`)
  tailer.wake('all')
  await until('it grows', () => handle?.stream.head.position === 2)
})

/** As many look-ups as a workspace may have under way. */
const ALL = ['a', 'b', 'c']

/** A hub whose look-ups wait for a lock: all that a workspace may have, and behind them that of the stream `d`, whose client leaves. */
async function startWaiting(t: Test) {
  const { hub, tailer, pool, reads } = await startHeld(t, 'sluice-find-stream-and-head', false)
  for (const name of [...ALL, 'd', 'e'])
    await pool.query(`select sluice.publish('acme', $1, 'a', '{}')`, [name])
  const lock = await connect(t, pool)
  const gone = new AbortController()
  let watched = false
  const reader = {
    get gone() {
      watched = true
      return gone.signal
    },
  }
  await lock.query('begin; lock table sluice.streams in access exclusive mode')
  const others = ALL.map(name => hub.open('acme', name))
  await until('the workspace has all of its turns', () => reads() === ALL.length)
  const left = hub.open('acme', 'd', reader).catch(why => why)
  await until('the client is watched', () => watched)
  return {
    ...{ hub, tailer, pool },
    async leave() {
      gone.abort('gone')
      t.equal(await left, 'gone')
    },
    async unlock() {
      await lock.query('commit')
      await Promise.all(others)
    },
  }
}

/** A hub whose statements of this name wait until they are released, and are counted. */
async function startHeld(t: Test, held: string, holds = true) {
  let reads = 0
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const hub = await startHub(t, {
    reading: database =>
      observed(database, name => {
        if (name !== held) return undefined
        reads += 1
        return holds ? released : undefined
      }),
  })
  return { ...hub, reads: () => reads, release }
}

function client() {
  const gone = new AbortController()
  return { gone: gone.signal, leave: () => gone.abort(new Error('It has gone.')) }
}
