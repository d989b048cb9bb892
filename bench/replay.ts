/** The cost of reading the past: one client over a long log, a rare type, and all clients at once after a restart. */
import { Crowd, type CrowdOptions } from './crowd.js'
import { openFilesLimit } from './process-usage.js'
import type { Row, Size } from './row.js'
import { seed } from './seed.js'
import { now, round } from './statistics.js'
import { type Subject, startSubject, tokenOf } from './subject.js'

const EVENTS = { default: 200_000, full: 1_000_000 }
/** These fit into the gateway's cache of the past. */
const REMEMBERED = 30_000
const RARE_EACH = 10_000
const RETURNING = 10_000
/** Each reconnecting client has missed up to this many events. */
const MISSED = 500
/** Files that a process has open in addition to its clients. */
const OTHER_FILES = 200
/** The reads of catching-up clients and of clients that resume, as Postgres logs them. */
const LOG_READ = /execute sluice-read-(page|event|bounds|filtered-page)/
const TAIL_READ = /execute sluice-read-tails/

export async function replay(size: Size): Promise<Row[]> {
  const lines = { logReads: 0, tailReads: 0 }
  const subject = await startSubject({
    settings: { log_statement: 'all' },
    onLog(line) {
      if (LOG_READ.test(line)) lines.logReads += 1
      else if (TAIL_READ.test(line)) lines.tailReads += 1
    },
  })
  const rows: Row[] = []
  const measure = async (replayed: string, work: () => Promise<Replayed>) => {
    Object.assign(lines, { logReads: 0, tailReads: 0 })
    const cpuBefore = await subject.cpuSeconds()
    const { clients, events, seconds, crowdSeconds } = await work()
    const cpu = (await subject.cpuSeconds()) - cpuBefore
    rows.push({
      replayed,
      clients,
      events,
      seconds: round(seconds),
      'events/s': round(events / seconds),
      'gateway µs CPU/event': round((cpu * 1e6) / events),
      'gateway CPU s': round(cpu),
      'clients CPU s': round(crowdSeconds),
      'log reads': lines.logReads,
      'tailer reads': lines.tailReads,
    })
  }
  try {
    const events = EVENTS[size]
    await seed(subject.databaseUrl, { workspace: 'demo', events })
    await seed(subject.databaseUrl, { workspace: 'rare', events, rareEach: RARE_EACH })

    await measure('all, from Postgres', () => one(subject, { from: 0, to: events }))
    await measure('1 in 10,000', () => rare(subject, events / RARE_EACH))
    const newest = { from: events - REMEMBERED, to: events }
    await one(subject, newest)
    for (let run = 0; run < 3; run += 1) await measure('newest, from memory', () => one(subject, newest))

    await subject.restart()
    const clients = Math.min(RETURNING, (await openFilesLimit()) - OTHER_FILES)
    await measure('back after a restart', () => everybody(subject, clients, events))
    return rows
  } finally {
    await subject.close()
  }
}

interface Replayed {
  readonly clients: number
  readonly events: number
  readonly seconds: number
  /** CPU of the process of the clients. */
  readonly crowdSeconds: number
}

function one(subject: Subject, { from, to }: { from: number; to: number }): Promise<Replayed> {
  const server = { ...subject, path: `/api/events?from=${from === 0 ? 'beginning' : from}` }
  return follow(1, { server, places: [{ first: from }] }, to)
}

function rare(subject: Subject, events: number): Promise<Replayed> {
  const path = '/api/events?from=beginning&types=rare'
  return follow(1, { server: { ...subject, path, viewer: tokenOf('rare', 'viewer') } }, events)
}

/** They are live when they have received an event that was published after all of them had caught up. */
async function everybody(server: Subject, clients: number, head: number): Promise<Replayed> {
  const places = Array.from({ length: MISSED }, (_, missed) => ({
    first: head - missed,
    lastEventId: String(head - missed),
  }))
  return follow(clients, { server, places, atOnce: clients }, head, () => server.publish(head))
}

async function follow(
  clients: number,
  options: CrowdOptions,
  to: number,
  afterwards?: () => Promise<void>,
): Promise<Replayed> {
  const crowd = new Crowd()
  try {
    // Its process is up then.
    const before = await crowd.report()
    const start = now()
    await crowd.open(clients, { notes: false, ...options })
    let { at, events, cpuSeconds } = await crowd.reached(to)
    if (afterwards) {
      await afterwards()
      ;({ at, events, cpuSeconds } = await crowd.reached(to + 1))
    }
    const crowdSeconds = cpuSeconds - before.cpuSeconds
    return { clients, events, seconds: (at - start) / 1e9, crowdSeconds }
  } finally {
    await crowd.close()
  }
}
