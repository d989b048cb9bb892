/** The figures of a layout of the log, each from the functions and the statements that gateways use. */
import type { Position, StreamId } from '../src/log/event.js'
import { readPage } from '../src/log/log.js'
import { readTails } from '../src/log/tails.js'
import { elapsed } from '../src/process/deadline.js'
import { Backend, type Cost } from './backend.js'
import type { LogLayout } from './log-layout.js'
import { PADDING } from './server.js'
import { now, percentile, sorted } from './statistics.js'

const APPENDS = 1_000
const PAGES = 200
const PAGE_EVENTS = 256
const PAGE_BYTES = 1 << 20
/** Streams whose tails one statement reads. */
const TAILS = 500
/** While retention works, one event each. */
const APPEND_EVERY_MS = 5

/** One layout under measurement. */
export interface LayoutSubject {
  readonly layout: LogLayout
  readonly url: string
  readonly backend: Backend
  readonly start: Date
  /** Days that retention has removed so far. */
  retainedDays: number
}

/** The events that were put into each layout, and how many of them one retention removes. */
export interface SeededLog {
  readonly streams: number
  /** Events of a stream, spread over DAYS. */
  readonly each: number
  readonly days: number
  readonly rounds: number
}

export type Figures = Readonly<Record<string, number>>

/** In this order, because each one finds what the ones before it have left. */
export const FIGURES: readonly ((subject: LayoutSubject, log: SeededLog) => Promise<Figures>)[] = [
  sizes,
  appends,
  batches,
  pages,
  tails,
  newest,
  retention,
  retentionBeside,
]

async function sizes({ backend: { client } }: LayoutSubject): Promise<Figures> {
  const { rows } = await client.query(
    `select sum(pg_table_size(relid)) / 1048576 as table, sum(pg_indexes_size(relid)) / 1048576 as indexes
       from (select 'sluice.events'::regclass as relid
             union select relid from pg_partition_tree('sluice.events')) t`,
  )
  const [{ table, indexes }] = rows
  return { 'table MB': Number(table), 'index MB': Number(indexes) }
}

/** One event each, committed by itself. The disk is the same for all. */
async function appends({ backend }: LayoutSubject, { streams }: SeededLog): Promise<Figures> {
  await backend.client.query('set synchronous_commit = off; checkpoint')
  const cost = await backend.cost(() =>
    backend.client.query(
      `do $$ begin
         for i in 1..${APPENDS} loop
           perform sluice.append('demo', 'stream-' || (1 + floor(random() * ${streams}))::int, 'tick', '{"n":-1,"padding":"${PADDING}"}');
           commit;
         end loop;
       end $$`,
    ),
  )
  return per(cost, APPENDS, 'append', true)
}

/** The group commit of a gateway: 100 requests of one event each, to 100 streams. */
async function batches({ backend }: LayoutSubject, { streams }: SeededLog): Promise<Figures> {
  const together = 100
  const commits = 50
  const all = <T>(value: T) => Array.from({ length: together }, () => value)
  const cost = await backend.cost(async () => {
    for (let n = 0; n < commits; n += 1) {
      await backend.client.query({
        name: 'append',
        text: 'select count(*) from sluice.append_requests($1, $2, $3, $4, $5, $6, $7, $8)',
        values: [
          all('demo'),
          all(0).map(() => `stream-${random(streams)}`),
          all('bench'),
          all(null),
          all(null),
          all(0).map((_, request) => request + 1),
          all('tick'),
          all(JSON.stringify({ n: -1, padding: PADDING })),
        ],
      })
    }
  })
  return per(cost, together * commits, 'append of 100', true)
}

/** The first page of a client that returns with a random place in a random stream. */
async function pages({ backend }: LayoutSubject, { streams, each }: SeededLog): Promise<Figures> {
  const cost = await backend.cost(async () => {
    for (let n = 0; n < PAGES; n += 1) {
      const { events } = await readPage(
        backend.client,
        random(streams) as StreamId,
        (random(each) - 1) as Position,
        PAGE_EVENTS,
        PAGE_BYTES,
      )
      if (events.length === 0) throw new Error('A page without events.')
    }
  })
  return { ...per(cost, PAGES, 'page'), 'page ms': cost.ms / PAGES }
}

/** The tailer's poll of streams that have not grown. */
async function tails(
  { backend: { client }, backend }: LayoutSubject,
  { streams }: SeededLog,
): Promise<Figures> {
  const { rows } = await client.query(
    `select s.id::int as "streamId", e."position"::int as "position", e.event_id as "eventId"
       from unnest($1::int[]) as s (id)
      cross join lateral (select * from sluice.events e where e.stream_id = s.id order by e."position" desc limit 1) e`,
    [Array.from({ length: TAILS }, () => random(streams))],
  )
  const wanted = rows.map(({ streamId, ...after }) => ({ streamId, after }))
  const cost = await backend.cost(async () => {
    for (let n = 0; n < 10; n += 1) await readTails(client, wanted, 500, PAGE_BYTES)
  })
  return per(cost, TAILS * 10, 'tail')
}

/**
 * The same, if it were known that the newest event is less than a day old: then the partitions of older times are left out. So
 * this is the least that a read of a partitioned log can cost.
 */
async function newest(
  { backend, backend: { client } }: LayoutSubject,
  { streams }: SeededLog,
): Promise<Figures> {
  await client.query('set plan_cache_mode = force_generic_plan')
  const ids = Array.from({ length: TAILS }, () => random(streams))
  const read = async (name: string, bound: string) => {
    const cost = await backend.cost(async () => {
      for (let n = 0; n < 10; n += 1) {
        await client.query({
          name,
          text: `select count(e."position") from unnest($1::bigint[]) w (id)
                  cross join lateral (select * from sluice.events e where e.stream_id = w.id ${bound}
                                       order by e."position" desc limit 1) e`,
          values: [ids],
        })
      }
    })
    return per(cost, TAILS * 10, name)
  }
  return {
    ...(await read('newest event', '')),
    ...(await read('newest event of today', `and e.at > now() - interval '1 day'`)),
  }
}

/** A day at a time, and then VACUUM, which autovacuum would do later and more rarely. */
async function retention(subject: LayoutSubject, log: SeededLog): Promise<Figures> {
  const { backend, layout, start } = subject
  let removed = 0
  await backend.client.query('checkpoint')
  subject.retainedDays += Math.max(log.days, layout.daysEach)
  const cost = await backend.cost(async () => {
    removed = await layout.retain(backend.client, start, subject.retainedDays)
  })
  await backend.client.query('checkpoint')
  const vacuum = await backend.cost(async () => {
    for (const table of layout.vacuums) await backend.client.query(`vacuum ${table}`)
  })
  return {
    removed,
    'retain s': cost.ms / 1e3,
    ...per(cost, removed, 'retain', true),
    'vacuum s': vacuum.ms / 1e3,
    ...per(vacuum, removed, 'vacuum', true),
  }
}

async function retentionBeside(subject: LayoutSubject, log: SeededLog): Promise<Figures> {
  const publisher = await Backend.connect(subject.url)
  const samples: number[] = []
  const done = new AbortController()
  const publishing = (async () => {
    while (!done.signal.aborted) {
      const started = now()
      await publisher.client.query({
        name: 'append',
        text: `select * from sluice.append('demo', $1, 'tick', '{"n":-1}')`,
        values: [`stream-${random(log.streams)}`],
      })
      samples.push((now() - started) / 1e6)
      await elapsed(APPEND_EVERY_MS)
    }
  })()
  await elapsed(1_000)
  const quiet = sorted(samples.splice(0))
  subject.retainedDays += Math.max(log.days, subject.layout.daysEach)
  await subject.layout.retain(subject.backend.client, subject.start, subject.retainedDays)
  done.abort()
  await publishing
  await publisher.close()
  const beside = sorted(samples)
  return {
    'append ms p50 before': percentile(quiet, 50),
    'p99 before': percentile(quiet, 99),
    'append ms p50 beside retention': percentile(beside, 50),
    'p99 beside': percentile(beside, 99),
    'longest beside': percentile(beside, 100),
  }
}

function per(cost: Cost, count: number, what: string, writes = false): Figures {
  return {
    [`${what} CPU µs`]: (cost.cpuMs * 1e3) / count,
    ...(writes && { [`${what} WAL bytes`]: cost.walBytes / count }),
  }
}

function random(most: number): number {
  return 1 + Math.floor(Math.random() * most)
}
