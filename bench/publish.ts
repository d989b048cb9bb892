/** How many events a second can be stored: single requests at several concurrencies, batches, and from SQL. */
import pg from 'pg'
import { Pool } from 'undici'
import type { Row } from './run.js'
import { round } from './statistics.js'
import { PADDING, type Subject, startSubject } from './subject.js'

const SECONDS = 5
const EVENT = { type: 'tick', data: { padding: PADDING } }

/** Stores events once and says how many. */
type Work = () => Promise<number>

interface Case {
  readonly name: string
  readonly concurrency: number
  make(subject: Subject): Promise<{ work: Work; close(): Promise<void> }>
}

const CASES: readonly Case[] = [
  ...[1, 16, 128].map(concurrency => ({ name: 'single POST', concurrency, make: http(1) })),
  { name: 'POST of 100', concurrency: 4, make: http(100) },
  { name: 'sluice.publish', concurrency: 4, make: sql },
]

export async function publish(): Promise<Row[]> {
  const rows: Row[] = []
  for (const { name, concurrency, make } of CASES) {
    const subject = await startSubject()
    const { work, close } = await make(subject)
    const { stored, seconds } = await run(work, concurrency)
    const cpu = await subject.cpuSeconds()
    await close()
    await check(subject, stored)
    await subject.close()
    rows.push({
      published: name,
      concurrency,
      'events/s': round(stored / seconds),
      'gateway µs CPU/event': round((cpu * 1e6) / stored),
    })
  }
  return rows
}

async function run(work: Work, concurrency: number): Promise<{ stored: number; seconds: number }> {
  let stored = 0
  const start = performance.now()
  const worker = async () => {
    while (performance.now() - start < SECONDS * 1_000) {
      // Two statements: `stored += await work()` reads the sum before it waits, and loses what others add meanwhile.
      const more = await work()
      stored += more
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return { stored, seconds: (performance.now() - start) / 1_000 }
}

/** What was acknowledged is in the log, densely. */
async function check({ databaseUrl }: Subject, stored: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query(
    `select count(*)::int as count, max("position")::int as last from sluice.events where type = 'tick'`,
  )
  await client.end()
  if (rows[0].count !== stored || rows[0].last !== stored) {
    throw new Error(`${stored} events were acknowledged, ${rows[0].count} are stored up to ${rows[0].last}.`)
  }
}

function http(batch: number): Case['make'] {
  return async ({ url, editor }) => {
    const pool = new Pool(url, { connections: 128 })
    const body = JSON.stringify(batch === 1 ? EVENT : Array.from({ length: batch }, () => EVENT))
    const headers = { authorization: `Bearer ${editor}`, 'content-type': 'application/json' }
    const work = async () => {
      const response = await pool.request({ method: 'POST', path: '/api/events', headers, body })
      const text = await response.body.text()
      if (response.statusCode !== 201) throw new Error(text)
      return batch
    }
    return { work, close: () => pool.close() }
  }
}

async function sql({ databaseUrl }: Subject) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  const work = async () => {
    await pool.query({
      name: 'publish',
      text: `select sluice.publish('demo', 'feed', 'tick', $1::json)`,
      values: [JSON.stringify(EVENT.data)],
    })
    return 1
  }
  return { work, close: () => pool.end() }
}
