/** Whether the log gets slower as it grows: an append and a resume, by stored events, by streams, under an old snapshot. */
import type pg from 'pg'
import { Listener } from './listener.js'
import type { Row, Size } from './row.js'
import { seed, seedStreams, withClient } from './seed.js'
import { now, percentile, round, sorted } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

const STORED = { default: [1_000, 100_000, 1_000_000], full: [1_000, 10_000, 100_000, 1_000_000, 10_000_000] }
const STREAMS = { default: [100_000], full: [1_000, 100_000, 1_000_000] }
const EVENTS_PER_STREAM = 10
/**
 * Updates while a snapshot is open, before the measurement: a row that each append updates would then have this many
 * versions.
 */
const APPENDS_UNDER_SNAPSHOT = 10_000
const APPENDS = 1_000
const RESUMES = 50

export async function growth(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const events of STORED[size]) {
    rows.push(await measure(`${events} events`, events, subject => figures(subject, events)))
  }
  for (const streams of STREAMS[size]) {
    const stored = streams * EVENTS_PER_STREAM
    rows.push(
      await measure(`1,000 events beside ${streams} streams`, 1_000 + stored, async subject => {
        await seedStreams(subject.databaseUrl, streams, EVENTS_PER_STREAM)
        return figures(subject, 1_000)
      }),
    )
  }
  rows.push(await measure('1,000 events, an old snapshot open', 1_000, underSnapshot))
  return rows
}

interface Figures {
  readonly append: number
  readonly resume: number
}

async function measure(
  log: string,
  stored: number,
  work: (subject: Subject) => Promise<Figures>,
): Promise<Row> {
  const subject = await startSubject()
  try {
    const ofDemo = log.includes(' beside ') || log.includes('snapshot') ? 1_000 : stored
    await seed(subject.databaseUrl, { workspace: 'demo', events: ofDemo })
    const { append, resume } = await work(subject)
    return { log, stored, 'append µs': round(append), 'resume ms': round(resume) }
  } finally {
    await subject.close()
  }
}

async function figures(subject: Subject, events: number): Promise<Figures> {
  const resume = await resumes(subject, events)
  const append = await withClient(subject.databaseUrl, appends)
  return { append, resume }
}

async function underSnapshot(subject: Subject): Promise<Figures> {
  return withClient(subject.databaseUrl, async old => {
    await old.query('begin isolation level repeatable read')
    await old.query('select count(*) from sluice.streams')
    await withClient(subject.databaseUrl, client => appendMany(client, APPENDS_UNDER_SNAPSHOT))
    return figures(subject, 1_000)
  })
}

/** Microseconds of one append in its own transaction, in the server: the best of five series. */
async function appends(client: pg.Client): Promise<number> {
  const series: number[] = []
  for (let run = 0; run < 5; run += 1) {
    const start = now()
    await appendMany(client, APPENDS)
    series.push((now() - start) / 1_000 / APPENDS)
  }
  return Math.min(...series)
}

async function appendMany(client: pg.Client, appends: number): Promise<void> {
  // The disk is the same for all rows.
  await client.query('set synchronous_commit = off')
  await client.query(
    `do $$ begin
       for i in 1..${appends} loop
         perform sluice.append('demo', 'feed', 'tick', '{"n":-1}');
         commit;
       end loop;
     end $$`,
  )
}

/** Milliseconds from a connection with an id in the middle of the log to the first event; the median. */
async function resumes(subject: Subject, events: number): Promise<number> {
  const samples: number[] = []
  for (let run = 0; run < RESUMES; run += 1) {
    // Each one starts at another page.
    const first = Math.floor((events * (run + 1)) / (RESUMES + 2))
    const start = now()
    await firstEvent(subject, first)
    samples.push((now() - start) / 1e6)
  }
  return percentile(sorted(samples), 50)
}

function firstEvent({ url, path, viewer, greeting }: Subject, first: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const listener: Listener = new Listener({
      url,
      path,
      token: viewer,
      greeting,
      first,
      lastEventId: String(first),
      stalls: false,
      notes: false,
      onEvent() {
        listener.close()
        resolve()
      },
      onFault: reason => reject(new Error(reason)),
    })
  })
}
