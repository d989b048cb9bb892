/**
 * Publishers that repeat what failed until it is stored: over HTTP under one idempotency key; in SQL as a new transaction, since an
 * application cannot know whether a COMMIT without an answer has taken place.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { RecordedPublish, Recorder } from '../../checker/recorder.js'
import { as } from '../../harness/gateway.js'
import type { Random } from '../random.js'

const TYPES = ['thing.made', 'thing.sold', 'note'] as const
const EVERY_MS = { least: 10, most: 60 } as const
const AGAIN_MS = 100
const MOST_EVENTS = 4
/** Of a server that is frozen or black-holed. */
const DEADLINE_MS = 3_000

interface Target {
  readonly workspace: string
  readonly stream: string
}

interface Publishing {
  /** Unique in the run. */
  readonly name: string
  readonly target: Target
  readonly recorder: Recorder
  readonly random: Random
  readonly signal: AbortSignal
  /** Called for each acknowledged publish. */
  readonly onStored: () => void
}

export async function publishOverHttp(
  options: Publishing & { readonly origin: () => string },
): Promise<void> {
  const { name, target, recorder, random, signal, onStored } = options
  for (let n = 1; !signal.aborted; n += 1) {
    const events = someEvents(`${name}-${n}`, random)
    const publish = recorder.publish(`${name}-${n}`, startedOf(target, events))
    while (!(await isStored(options, `${name}-${n}`, events))) await pause(AGAIN_MS)
    publish.acknowledged()
    onStored()
    await pause(random.between(EVERY_MS.least, EVERY_MS.most))
  }
}

async function isStored(
  { origin, target }: Publishing & { readonly origin: () => string },
  key: string,
  events: readonly NewEvent[],
): Promise<boolean> {
  const response = await fetch(`${origin()}/api/events?stream=${target.stream}`, {
    method: 'POST',
    headers: {
      ...as('editor', target.workspace),
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(events),
  }).catch(() => undefined)
  // The gateway is away.
  if (!response) return false
  const answer = await response.text()
  if (response.status !== 201 && response.status !== 503) throw new Error(`${response.status}: ${answer}`)
  return response.status === 201
}

export async function publishInSql(options: Publishing & { readonly url: () => string }): Promise<void> {
  const { name, target, recorder, random, signal, onStored, url } = options
  for (let n = 1; !signal.aborted; n += 1) {
    const events = someEvents(`${name}-${n}`, random)
    const publish = recorder.publish(`${name}-${n}`, startedOf(target, events))
    if (await commits(url(), target, events, publish)) onStored()
    else await pause(AGAIN_MS)
    await pause(random.between(EVERY_MS.least, EVERY_MS.most))
  }
}

/** One connection for each transaction, as an application without a pool. */
async function commits(
  url: string,
  { workspace, stream }: Target,
  events: readonly NewEvent[],
  publish: RecordedPublish,
): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: DEADLINE_MS,
    query_timeout: DEADLINE_MS,
  })
  client.on('error', () => {})
  let isCommitting = false
  try {
    await client.connect()
    await client.query('begin')
    for (const { type, data } of events)
      await client.query('select sluice.publish($1, $2, $3, $4)', [
        workspace,
        stream,
        type,
        JSON.stringify(data),
      ])
    isCommitting = true
    await client.query('commit')
    publish.acknowledged()
    return true
  } catch (error) {
    const { code = '' } = error as { code?: string }
    // An SQLSTATE is the server's own answer: the transaction has failed. But a shutdown may follow a COMMIT.
    const isRefused = /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57P')
    if (isCommitting && !isRefused) publish.unknown()
    else publish.failed(isRefused || code.startsWith('57P') ? code : '08006')
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

interface NewEvent {
  readonly type: string
  readonly data: { readonly marker: string; readonly text: string }
}

function someEvents(name: string, random: Random): readonly NewEvent[] {
  return Array.from({ length: random.between(1, MOST_EVENTS) }, (_, at) => ({
    type: random.pick(TYPES),
    data: { marker: `${name}-${at}`, text: 'x'.repeat(random.between(0, 200)) },
  }))
}

function startedOf({ workspace, stream }: Target, events: readonly NewEvent[]) {
  return events.map(({ data }) => ({ stream: `${workspace}/${stream}`, mark: data.marker }))
}
