/**
 * Eight ways into the log, all at once, each at random and with failures on purpose. Each records what it publishes, by
 * a marker in the data; none gives up on what it began.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { Database } from '../../src/database/pool.js'
import type { Recorder } from '../checker/recorder.js'
import { as } from '../harness/gateway.js'
import { dataOf, jsonOf, TEXTS } from './event-data.js'
import type { Random } from './random.js'

const PAUSE_MS = { least: 5, most: 50 } as const
const RETRY_MS = 200
/** The share of events with a large text. */
const LARGE = 0.02
export const ROWS = 25
const ITEMS = 12

export interface Target {
  readonly workspace: string
  readonly stream: string
}

/** How much was done, beside what the history says. */
export interface Counts {
  committed: number
  rolledBack: number
  /** Requests sent to publish over HTTP. */
  requests: number
}

export interface PublisherOptions {
  /** Of nginx. */
  readonly origin: string
  readonly pool: Database
  readonly random: Random
  readonly recorder: Recorder
  readonly counts: Counts
  readonly signal: AbortSignal
}

const TYPES = ['order.placed', 'order.paid', 'alarm.raised', 'note'] as const

/** Resolves when `signal` has aborted and every publisher has finished its last step. */
export async function publishAll(options: PublisherOptions): Promise<void> {
  const { random } = options
  const each = (publisher: Publisher) => repeat(publisher, { ...options, random: random.fork() })
  await Promise.all([
    each(http('single', { workspace: 'acme', stream: 'orders' }, 1)),
    each(http('batch', { workspace: 'globex', stream: 'feed' }, 20)),
    each(cloudEvents({ workspace: 'acme', stream: 'audit' })),
    each(sql('sql-1', [FEED, TELEMETRY])),
    each(sql('sql-2', [TELEMETRY, FEED])),
    each(table(0)),
    each(table(1)),
    each(items),
  ])
}

const FEED = { workspace: 'acme', stream: 'feed' }
const TELEMETRY = { workspace: 'globex', stream: 'telemetry' }

/** Publishes once; `n` counts. */
type Publisher = (n: number, options: PublisherOptions) => Promise<void>

async function repeat(publisher: Publisher, options: PublisherOptions): Promise<void> {
  const { random, signal } = options
  for (let n = 1; !signal.aborted; n += 1) {
    await publisher(n, options)
    await pause(random.between(PAUSE_MS.least, PAUSE_MS.most))
  }
}

function http(name: string, target: Target, most: number): Publisher {
  return async (n, options) => {
    const { random } = options
    const markers = Array.from({ length: random.between(1, most) }, (_, index) => `${name}-${n}-${index}`)
    const events = markers.map(marker => ({ type: random.pick(TYPES), data: dataOf(marker, random, LARGE) }))
    const body = events.length === 1 ? events[0] : events
    const headers = { 'idempotency-key': `${name}-${n}` }
    await post(target, { name: `${name}-${n}`, type: 'application/json', body, headers, markers }, options)
  }
}

/** Without a key of the request's own: each CloudEvent's source and id are one. */
function cloudEvents(target: Target): Publisher {
  return async (n, options) => {
    const { random } = options
    const markers = Array.from({ length: random.between(1, 5) }, (_, index) => `ce-${n}-${index}`)
    const body = markers.map(id => {
      const context = { specversion: '1.0', source: '/check', datacontenttype: 'application/json' }
      return { ...context, id, type: random.pick(TYPES), data: dataOf(id, random, LARGE) }
    })
    const type = 'application/cloudevents-batch+json'
    await post(target, { name: `ce-${n}`, type, body, headers: {}, markers }, options)
  }
}

interface Post {
  readonly name: string
  readonly type: string
  readonly body: unknown
  readonly headers: Record<string, string>
  readonly markers: readonly string[]
}

/** Sends until it is stored; now and then once more, as one does whose answer was lost. */
async function post(
  { workspace, stream }: Target,
  { name, type, body, headers, markers }: Post,
  { origin, random, recorder, counts }: PublisherOptions,
): Promise<void> {
  const events = markers.map(mark => ({ stream: `${workspace}/${stream}`, mark }))
  const publish = recorder.publish(name, events)
  for (let answers = random.chance(0.1) ? 2 : 1; answers > 0; ) {
    const response = await fetch(`${origin}/api/events?stream=${stream}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { ...as('editor', workspace), 'content-type': type, ...headers },
    })
    const answer = await response.text()
    if (response.status === 201) answers -= 1
    else if (response.status !== 503) throw new Error(`${response.status}: ${answer}`)
    else await pause(RETRY_MS)
    counts.requests += 1
  }
  publish.acknowledged()
  counts.committed += markers.length
}

/** A transaction over two streams, in the order given, with savepoints; a part of it or all of it may be undone. */
function sql(name: string, targets: readonly Target[]): Publisher {
  return async (n, { pool, random, recorder, counts }) => {
    const client = await pool.connect()
    const undone: string[] = []
    const events = targets.map(({ workspace, stream }, index) => {
      return { stream: `${workspace}/${stream}`, mark: `${name}-${n}-${index}` }
    })
    const publish = recorder.publish(`${name}-${n}`, events)
    try {
      await client.query('begin')
      for (const [index, { workspace, stream }] of targets.entries()) {
        const marker = `${name}-${n}-${index}`
        await client.query('savepoint part')
        const data = jsonOf(dataOf(marker, random, LARGE), random)
        await client.query('select sluice.publish($1, $2, $3, $4)', [
          workspace,
          stream,
          random.pick(TYPES),
          data,
        ])
        if (random.chance(0.25)) {
          await client.query('rollback to part')
          undone.push(marker)
        }
      }
      const commits = random.chance(0.8)
      await client.query(commits ? 'commit' : 'rollback')
      if (commits) publish.acknowledged(undone)
      else publish.failed('rolled back')
      counts.rolledBack += commits ? undone.length : targets.length
      counts.committed += commits ? targets.length - undone.length : 0
    } finally {
      client.release()
    }
  }
}

/** Writes to an application's own table, which is watched: rows of its half of it. */
function table(half: 0 | 1): Publisher {
  return async (_, { pool, random }) => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      for (let left = random.between(1, 4); left > 0; left -= 1) await changeRow(client, half * ROWS, random)
      await client.query(random.chance(0.8) ? 'commit' : 'rollback')
    } finally {
      client.release()
    }
  }
}

async function changeRow(client: pg.PoolClient, offset: number, random: Random): Promise<void> {
  const id = offset + random.between(1, ROWS)
  const workspace = random.pick(['acme', 'globex'])
  // Postgres stores no NUL in a text.
  const note = random.pick(TEXTS.slice(0, -1))
  const change = random.between(1, 4)
  if (change === 1) await client.query('delete from parcels where id = $1', [id])
  // A row that moves to another workspace leaves the one and comes to the other.
  else if (change === 2)
    await client.query('update parcels set workspace = $2 where id = $1', [id, workspace])
  else if (change === 3) {
    await client.query('update parcels set note = $3 where id between $1 and $2', [id, offset + ROWS, note])
  } else {
    await client.query('insert into parcels values ($1, $2, $3) on conflict (id) do update set note = $3', [
      id,
      workspace,
      note,
    ])
  }
}

/** Whatever may happen to an item next. An answer that is lost is not asked for again: the item shows what came of it. */
const items: Publisher = async (_, { origin, random }) => {
  const partNumber = `P-${random.between(1, ITEMS)}`
  const description = random.pick(TEXTS.slice(1, 4))
  const item = `/api/items/${partNumber}`
  const [method, path, body] = random.pick([
    ['POST', '/api/items', { part_number: partNumber, description, item_type: 'part' }],
    ['PATCH', item, { description }],
    ['POST', `${item}/revisions`, { comment: description }],
    ['DELETE', item, undefined],
  ] as const)
  const response = await fetch(origin + path, {
    method,
    headers: { ...as('editor'), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = await response.text()
  if (![200, 201, 204, 404, 409, 503].includes(response.status))
    throw new Error(`${response.status}: ${answer}`)
}
