/** A tailer and a hub as in a gateway, on a real database and behind a small HTTP server. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { BusStatus } from '../../src/bus/bus.js'
import { createPool, type Database, inTransaction, type Queryable } from '../../src/database/pool.js'
import { Hub, type HubOptions } from '../../src/hub/hub.js'
import type { HubStream } from '../../src/hub/hub-stream.js'
import { endlessPermit } from '../../src/hub/permit.js'
import type { StartAt } from '../../src/hub/start.js'
import { Tailer } from '../../src/hub/tailer.js'
import type { Position, StreamId } from '../../src/log/event.js'
import { EventFilter } from '../../src/log/event-filter.js'
import { formatEventId, parseEventId } from '../../src/log/event-id.js'
import type { Logger } from '../../src/logging/logger.js'
import { sse } from '../../src/sse/encoding.js'
import { ndjson } from '../../src/sse/ndjson.js'
import { Sink } from '../../src/sse/sink.js'
import { createDatabase } from './database.js'

export interface TestHub {
  /** `?from=beginning|now|<event id>&types=…&where=…&expires=<ms since 1970>`; follows the feed of acme. */
  readonly url: string
  readonly port: number
  readonly hub: Hub
  readonly tailer: Tailer
  /** For the test's own statements. */
  readonly pool: Database
  /** The status of the bus; `off` unless the test changes it. */
  readonly bus: { status: BusStatus }
  /** One for each subscription, in the order of the requests. */
  readonly sinks: Sink[]
  /** The most bytes that have ever waited for one client. */
  mostPending(): number
  /** Appends that many events to the feed of acme, wakes the tailer, and returns their ids. */
  append(count: number, data?: string, type?: string | readonly string[]): Promise<string[]>
}

export interface TestHubOptions extends Partial<HubOptions> {
  /** The URL that the hub reads from, by default the test's database. */
  readonly url?: (databaseUrl: string) => Promise<string>
  /** Wraps the hub's database, for example to count statements. */
  readonly reading?: (database: Database) => Database
  /** Called in the turn of the event loop in which a client was subscribed. */
  readonly subscribed?: (stream: HubStream) => void
}

export async function startHub(
  test: Test,
  { url: through, reading, subscribed, ...given }: TestHubOptions = {},
) {
  const { pool, url: databaseUrl } = await createDatabase(test)
  const url = through ? await through(databaseUrl) : databaseUrl
  const readers = createPool(url, { max: 5, name: 'read', queryTimeoutMs: 5_000, onError: () => {} })
  const database = reading ? reading(readers) : readers
  const bus: { status: BusStatus } = { status: 'off' }
  const tailer = new Tailer({ database, bus, logger: silent })
  const options = { heartbeatMs: 600_000, maxAgeMs: 0, maxStreams: () => 1_000, ...given }
  const hub = new Hub({ ...options, database, tailer, logger: silent })
  tailer.start()

  const sinks: Sink[] = []
  let most = 0
  const server = createServer(async (request, response) => {
    const query = new URL(request.url ?? '/', 'http://localhost').searchParams
    const handle = await hub.open('acme', query.get('stream') ?? 'feed')
    if (!handle) {
      response.writeHead(404).end()
      return
    }
    const filter = EventFilter.of({
      types: query.get('types') ?? undefined,
      where: query.get('where') ?? undefined,
    })
    const start = await hub.starts.resolve(handle.stream, startAt(query.get('from')), filter)
    const encoding = query.get('encoding') === 'ndjson' ? ndjson : sse
    response.writeHead(200, { 'content-type': encoding.contentType })
    response.flushHeaders()
    const sink = new Sink(response)
    sinks.push(sink)
    const { write } = sink
    sink.write = payload => {
      write.call(sink, payload)
      most = Math.max(most, sink.pending)
    }
    const expiresAt = Number(query.get('expires') ?? Number.POSITIVE_INFINITY)
    hub.subscribe({
      handle,
      start,
      sink,
      encoding,
      filter,
      permit: { ...endlessPermit(), isOver: now => now >= expiresAt },
    })
    subscribed?.(handle.stream)
  })
  test.teardown(async () => {
    hub.close()
    server.closeAllConnections()
    server.close()
    await tailer.close()
    await readers.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo

  const append = async (count: number, data?: string, type?: string | readonly string[]) => {
    const appended = await appendEvents(pool, count, data, type)
    tailer.wake([appended.streamId])
    return appended.ids
  }
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    hub,
    tailer,
    pool,
    bus,
    sinks,
    append,
    mostPending: () => most,
  } satisfies TestHub
}

/** Appends to the feed of acme: one type for all events, or one for each. In `data`, `$n` is the event's number, from 1. */
export async function appendEvents(
  database: Queryable,
  count: number,
  data = '{}',
  type: string | readonly string[] = 'thing.made',
) {
  const { rows } = await database.query<{ streamId: StreamId; position: Position; eventId: string }>(
    `select r.stream_id as "streamId", r."position", r.event_id as "eventId"
       from sluice.append_requests(
              '{acme}', '{feed}', '{test}', '{null}', '{null}', array_fill(1, array[$1::int]), $2::text[],
              (select array_agg(replace($3, '$n', n::text) order by n) from generate_series(1, $1::int) n)) r
      order by r."position"`,
    [count, typeof type === 'string' ? Array(count).fill(type) : type, data],
  )
  const [first] = rows
  if (!first) throw new Error('Nothing was appended.')
  return {
    streamId: first.streamId,
    ids: rows.map(({ position, eventId }) => formatEventId(position, eventId)),
    rows,
  }
}

/** What a failover does to a log, in one transaction: it loses all events after a position, and others get their positions. */
export async function replaceTail(pool: Database, after: number, count: number) {
  return await inTransaction(pool, async client => {
    await client.query('delete from sluice.events where "position" > $1', [after])
    return await appendEvents(client, count)
  })
}

/** A database that calls back with the name of each statement, before it is sent and after it is answered. */
export function observed(
  database: Database,
  see: (name: string) => unknown,
  answered: (name: string) => unknown = () => {},
): Database {
  const through =
    (target: Pick<Database, 'query'>) =>
    async (statement: { name?: string }, ...rest: unknown[]) => {
      await see(statement.name ?? '')
      const result = await Reflect.apply(target.query, target, [statement, ...rest])
      await answered(statement.name ?? '')
      return result
    }
  const connect = async () => {
    const client = await database.connect()
    return Object.assign(Object.create(client), {
      query: through(client),
      release: client.release.bind(client),
    })
  }
  return Object.assign(Object.create(database), { query: through(database), connect })
}

export const silent: Logger = Object.fromEntries(
  ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map(level => [level, () => {}]),
) as unknown as Logger

function startAt(from: string | null): StartAt {
  if (from === null || from === 'now') return { at: 'now' }
  if (from === 'beginning') return { at: 'beginning' }
  return { at: 'after', id: parseEventId(from) ?? 'unknown' }
}
