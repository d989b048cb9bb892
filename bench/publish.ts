/**
 * The number of events per second that can be stored: single requests at several concurrencies, batches, items, from
 * SQL.
 */
import pg from 'pg'
import { Pool } from 'undici'
import type { Row, Size } from './row.js'
import { PADDING } from './server.js'
import { round } from './statistics.js'
import { type Subject, startSubject, tokenOf } from './subject.js'

const SECONDS = { default: 3, full: 10 }
/** Until the server's code is compiled. */
const WARM_UP_SECONDS = 2
const EVENT = { type: 'tick', data: { padding: PADDING } }

/** Stores events once and returns their number. */
type Work = () => Promise<number>

interface Case {
  readonly published: string
  readonly concurrency: number
  readonly workspaces?: number
  make(subject: Subject, workspaces: number): { work: Work; close(): Promise<void> }
}

const CASES: readonly Case[] = [
  ...[1, 16, 128].map(concurrency => ({ published: 'single POST', concurrency, make: http(1) })),
  { published: 'single POST', concurrency: 128, workspaces: 100, make: http(1) },
  { published: 'POST of 100', concurrency: 4, make: http(100) },
  { published: 'POST of 100', concurrency: 16, make: http(100) },
  { published: 'sluice.publish', concurrency: 4, make: sql },
  { published: 'sluice.publish', concurrency: 4, workspaces: 100, make: sql },
  { published: 'POST /api/items', concurrency: 16, make: items },
]

export async function publish(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const { published, concurrency, workspaces = 1, make } of CASES) {
    const subject = await startSubject()
    try {
      const { work, close } = make(subject, workspaces)
      const { stored: storedBefore } = await run(work, concurrency, WARM_UP_SECONDS)
      const cpuBefore = await subject.cpuSeconds()
      const { stored, seconds } = await run(work, concurrency, SECONDS[size])
      const cpu = (await subject.cpuSeconds()) - cpuBefore
      await close()
      await check(subject, storedBefore + stored)
      rows.push({
        published,
        concurrency,
        workspaces,
        'events/s': round(stored / seconds),
        'gateway µs CPU/event': round((cpu * 1e6) / stored),
      })
    } finally {
      await subject.close()
    }
  }
  return rows
}

async function run(work: Work, concurrency: number, atLeast: number) {
  let stored = 0
  const start = performance.now()
  const worker = async () => {
    while (performance.now() - start < atLeast * 1_000) {
      // Two statements: `stored += await work()` reads the sum before it waits, and loses concurrent additions.
      const more = await work()
      stored += more
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return { stored, seconds: (performance.now() - start) / 1_000 }
}

/** Every acknowledged event is in the log, and each stream is dense. */
async function check({ databaseUrl }: Subject, stored: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query(
    `select coalesce(sum(events), 0)::int as events, bool_and(events = last) as dense
       from (select count(*) as events, max("position") as last from sluice.events e
               join sluice.streams s on s.id = e.stream_id where s.workspace <> '$system' group by s.id) x`,
  )
  await client.end()
  const [{ events, dense }] = rows
  if (events !== stored || !dense)
    throw new Error(`${stored} events were acknowledged, ${events} are stored.`)
}

function http(batch: number): Case['make'] {
  const body = JSON.stringify(batch === 1 ? EVENT : Array.from({ length: batch }, () => EVENT))
  return ({ url }, workspaces) => posts(url, '/api/events', workspaces, () => body, batch)
}

function items({ url }: Subject, workspaces: number) {
  let made = 0
  const body = () => {
    made += 1
    return JSON.stringify({ part_number: `B-${made}`, description: PADDING, item_type: 'part' })
  }
  return posts(url, '/api/items', workspaces, body, 1)
}

function posts(url: string, path: string, workspaces: number, bodyOf: () => string, events: number) {
  const pool = new Pool(url, { connections: 128 })
  const tokens = Array.from({ length: workspaces }, (_, index) => tokenOf(workspaceOf(index), 'editor'))
  let turn = 0
  const work = async () => {
    turn += 1
    const headers = {
      authorization: `Bearer ${tokens[turn % workspaces]}`,
      'content-type': 'application/json',
    }
    const response = await pool.request({ method: 'POST', path, headers, body: bodyOf() })
    const text = await response.body.text()
    if (response.statusCode !== 201) throw new Error(text)
    return events
  }
  return { work, close: () => pool.close() }
}

function sql({ databaseUrl }: Subject, workspaces: number) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  let turn = 0
  const work = async () => {
    turn += 1
    await pool.query({
      name: 'publish',
      text: `select sluice.publish($1, 'feed', 'tick', $2::json)`,
      values: [workspaceOf(turn % workspaces), JSON.stringify(EVENT.data)],
    })
    return 1
  }
  return { work, close: () => pool.end() }
}

function workspaceOf(index: number): string {
  return index === 0 ? 'demo' : `demo-${index}`
}
