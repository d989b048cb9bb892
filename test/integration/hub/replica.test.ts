/**
 * A real standby as the source of pages. Each test has a stream of its own, and looks at which server has read the pages and
 * whether they are those of the primary. The last tests promote the standby, so their order matters.
 */
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pages } from '../../../src/hub/pages.js'
import { Replica } from '../../../src/hub/replica.js'
import { Pacing } from '../../../src/hub/scheduling/pacing.js'
import type { Position } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { ensureStream, readHead, readPage } from '../../../src/log/log.js'
import type { Logger } from '../../../src/logging/logger.js'
import { openStream } from '../../harness/event-stream.js'
import { as, startGateway } from '../../harness/gateway.js'
import { observed, silent } from '../../harness/hub.js'
import { type PostgresProxy, startProxy } from '../../harness/postgres-proxy.js'
import { inStep, type Pair, startPair } from '../../harness/replication.js'
import { execute } from '../../harness/server.js'

const after = (position: number) => ({ position: position as Position })
const PAUSE = 'select pg_wal_replay_pause()'
const RESUME = 'select pg_wal_replay_resume()'

let pair: Pair
let network: PostgresProxy

t.before(async () => {
  pair = await startPair(t)
  network = await startProxy(t, pair.standby.url)
  await publish('changed', 1)
  await execute(pair.primary.url, `select sluice.redact('acme', 'changed', 1, 'a first redaction')`)
  await inStep(pair)
})

t.test('a gateway serves the past from the replica, byte by byte as from the primary', async t => {
  await publish('feed', 700)
  await inStep(pair)
  const gateway = await startGateway(t, {
    databaseUrl: pair.primary.url,
    env: { READ_DATABASE_URL: network.url, MAX_STREAMS_PER_PRINCIPAL: '0' },
  })
  const plain = await startGateway(t, { databaseUrl: pair.primary.url })
  const read = async ({ url }: { url: string }) => {
    const client = await openStream(t, `${url}/api/events?from=beginning&types=thing.*`, {
      headers: as('viewer'),
    })
    await client.until(700, 'thing.made')
    return client.messages.filter(({ event }) => event === 'thing.made')
  }

  const [messages, expected] = [await read(gateway), await read(plain)]

  t.strictSame(messages, expected)
  t.strictSame(gateway.app.replica?.tally, { served: 3, missing: 0, refused: 0 })
  const ready = await (await fetch(`${gateway.url}/ready`)).text()
  t.match(JSON.parse(ready), { replica: 'up' })
  const metrics = await (await fetch(`${gateway.url}/metrics`, { headers: as('admin') })).text()
  t.match(metrics, /^sluice_replica_processes\{state="up"\} 1$/m)
  t.match(metrics, /^sluice_replica_pages_total\{outcome="served"\} 3$/m)
})

t.test('the primary answers one short statement for a page of the replica', async t => {
  const { pages, stream, primary, reads, replica } = await start(t, 'plain', 600)

  const found = await walk(pages, stream)

  t.strictSame(found, await stored(primary, stream))
  t.strictSame(reads, Array(3).fill('sluice-read-copy'))
  t.strictSame(replica.tally, { served: 3, missing: 0, refused: 0 })
})

t.test('filtered pages come from the replica too', async t => {
  const { pages, stream, reads } = await start(t, 'filtered', 9_000)
  const filter = EventFilter.of({ where: 'data.n eq 4000' })

  const page = filter && (await pages.matching(stream, after(0), filter))

  t.strictSame(
    page?.map(({ position }) => position),
    [4_000, 8_192],
  )
  t.strictSame(reads, ['sluice-read-copy'])
})

t.test('what a replica that lags does not have is read from the primary, without a gap', async t => {
  const { pages, stream, primary, replica, lines } = await start(t, 'lagging', 300)
  await lagging(t)
  await publish('lagging', 500)
  stream.head = await readHead(primary, stream.id)

  t.strictSame(await walk(pages, stream), await stored(primary, stream))

  t.match(replica.tally, { served: 1, refused: 0 })
  t.ok(replica.tally.missing > 0)
  t.strictSame([replica.state, lines], ['up', []])
})

t.test('redacted data is never served because the replica lacks the redaction', async t => {
  const { pages, stream, primary, replica, lines } = await start(t, 'redacted', 300)
  await lagging(t)
  await execute(pair.primary.url, `select sluice.redact('acme', 'redacted', 7, 'secret')`)

  const redacted = await walk(pages, stream)

  t.match(redacted[6], /"redacted":true/)
  t.strictSame(redacted, await stored(primary, stream))
  t.strictSame([replica.state, replica.tally.served], ['behind', 0])
  await execute(pair.standby.url, RESUME)
  await inStep(pair)
  pages.clear()
  t.strictSame(await walk(pages, stream), redacted)
  t.strictSame([replica.state, replica.tally.served], ['up', 2])
  t.match(lines, [/^info: .* lacks the last redaction/, /^info: .* again/])
})

t.test('a page that retention has begun to remove is read from the primary', async t => {
  const { pages, stream, replica } = await start(t, 'retained', 300)
  await lagging(t)
  await execute(pair.primary.url, `select sluice.retain_stream(${stream.id}, '0 s', 100)`)

  t.strictSame(await pages.after(stream, after(0)), [], 'the log no longer continues there')
  t.strictSame(
    (await pages.after(stream, after(100))).map(({ position }) => position),
    Array.from({ length: 200 }, (_, n) => n + 101),
  )
  t.equal(replica.tally.served, 1, 'the rest')
})

t.test('events that the primary has lost, and replaced, are never served', async t => {
  const { pages, stream, primary, replica, lines } = await start(t, 'lost', 300)
  await lagging(t)
  await execute(
    pair.primary.url,
    `delete from sluice.events where stream_id = ${stream.id} and "position" > 280`,
  )
  stream.head = await readHead(primary, stream.id)

  t.strictSame(await walk(pages, stream), await stored(primary, stream), 'before they are replaced')
  t.strictSame([replica.state, replica.tally.served], ['up', 0])
  await publish('lost', 40, 'other')
  stream.head = await readHead(primary, stream.id)
  pages.clear()

  t.strictSame(await walk(pages, stream), await stored(primary, stream))
  t.strictSame([replica.state, replica.tally.served], ['diverged', 0])
  t.match(lines, [/^warn: .* other events than the primary/])
})

t.test(
  'a replica that is cut off, refuses, or does not answer delays one page, and is used again',
  async t => {
    const { pages, stream, primary, replica, lines } = await start(t, 'away', 300)
    const expected = await stored(primary, stream)
    const faults = [
      () => network.unplug(),
      async () => {
        network.mode = 'refuse'
        await network.plugIn()
      },
      async () => {
        network.mode = 'silent'
      },
      async () => {
        network.mode = 'pass'
        pages.clear()
        await walk(pages, stream)
        network.freeze()
      },
    ]

    for (const fault of faults) {
      await fault()
      const { refused } = replica.tally
      pages.clear()
      t.strictSame(await walk(pages, stream), expected)
      t.ok(replica.tally.refused > refused)
    }
    pages.clear()
    t.strictSame(await walk(pages, stream), expected)

    t.equal(replica.state, 'up')
    t.strictSame(
      lines.map(line => line.slice(0, 4)),
      ['warn', 'info', 'warn', 'info'],
      'one line for each change',
    )
  },
)

t.test('a replica with a fault is left alone for a while', async t => {
  const { stream, primary } = await start(t, 'paused', 300)
  const wrong = pool(t, 'postgres://postgres@127.0.0.1:1/postgres')
  const replica = new Replica({ replica: wrong, primary, logger: silent })
  const pages = new Pages(primary, replica)

  t.strictSame(await walk(pages, stream), await stored(primary, stream))

  t.strictSame(replica.tally, { served: 0, missing: 0, refused: 1 })
})

t.test('a replica that was promoted is not read, whatever it has become', async t => {
  const { pages, stream, primary, replica, lines } = await start(t, 'promoted', 300)
  await execute(pair.standby.url, 'select pg_promote()')
  await publish('promoted', 20, 'elsewhere', pair.standby.url)
  await publish('promoted', 20, 'here')
  stream.head = await readHead(primary, stream.id)

  t.strictSame(await walk(pages, stream), await stored(primary, stream))

  t.strictSame([replica.state, replica.tally.served], ['promoted', 0])
  t.match(lines, [/^warn: .* no standby/])
})

t.test('a standby with another history is not read', async t => {
  await pair.standby.stop()
  await pair.standby.demote()
  await pair.standby.start()
  const { rows } = await execute(pair.standby.url, 'select pg_is_in_recovery() as standby')
  t.equal(rows[0].standby, true)
  const { pages, stream, primary, replica } = await start(t, 'promoted', 0)

  t.strictSame(await walk(pages, stream), await stored(primary, stream))

  t.strictSame([replica.state, replica.tally.served], ['diverged', 0])
})

/** A stream with that many events, which both servers have, and pages of it. */
async function start(t: Test, name: string, events: number) {
  await publish(name, events)
  if (events > 0) await inStep(pair)
  const primary = pool(t, pair.primary.url)
  const id = await ensureStream(primary, 'acme', name)
  const reads: string[] = []
  const lines: string[] = []
  const line = (level: string) => (_: unknown, text: string) => void lines.push(`${level}: ${text}`)
  const logger: Logger = Object.assign(Object.create(silent), { info: line('info'), warn: line('warn') })
  const watched = observed(primary, statement => void reads.push(statement))
  const replica = new Replica({ replica: pool(t, network.url), primary: watched, logger, pauseMs: 0 })
  return {
    primary,
    reads,
    lines,
    replica,
    pages: new Pages(watched, replica),
    stream: new HubStream({
      id,
      kind: 'feed',
      closed: false,
      head: await readHead(primary, id),
      pacing: new Pacing(),
      tally: new HubTally(),
      compareHead: () => {},
    }),
  }
}

/** Everything that a client which catches up gets, as text, and asserts that it is dense. */
async function walk(pages: Pages, stream: HubStream): Promise<string[]> {
  const found: string[] = []
  while (found.length < stream.head.position) {
    const page = await pages.after(stream, after(found.length))
    if (page.length === 0) throw new Error(`Nothing follows ${found.length}.`)
    for (const { event } of page) {
      if (event.position !== found.length + 1) throw new Error(`${event.position} follows ${found.length}.`)
      found.push(`${event.position} ${event.eventId} ${event.data}`)
    }
  }
  return found
}

/** The same, from the primary itself. */
async function stored(primary: Database, { id }: HubStream): Promise<string[]> {
  const { events } = await readPage(primary, id, 0 as Position, 10_000, 100_000_000)
  return events.map(({ position, eventId, data }) => `${position} ${eventId} ${data}`)
}

/** Nothing is replayed from now on, until the test is over. */
async function lagging(t: Test): Promise<void> {
  await execute(pair.standby.url, PAUSE)
  t.teardown(async () => {
    await execute(pair.standby.url, RESUME)
    await inStep(pair)
  })
}

async function publish(name: string, events: number, text = 'x', url = pair.primary.url): Promise<void> {
  await execute(
    url,
    `select sluice.publish('acme', '${name}', 'thing.made', format('{"n":%s,"text":"${text}"}', n)::json)
       from generate_series(1, ${events}) n`,
  )
}

function pool(t: Test, url: string): Database {
  const made = createPool(url, { max: 4, name: 'test', queryTimeoutMs: 1_000, onError: () => undefined })
  t.teardown(() => made.end())
  return made
}
