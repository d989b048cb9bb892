/**
 * Whether LISTEN works where gateways use it, tried with a real NOTIFY on a channel of doctor's own. A pooler in transaction mode
 * accepts LISTEN and delivers nothing: the session that listens is lent to other clients. So the listener is idle when the
 * NOTIFY is sent, and another connection sends it. The same NOTIFY shows that both URLs lead to the same database.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { databaseFault } from '../../../src/database/database-fault.js'
import { elapsed } from '../../../src/process/deadline.js'
import { type Finding, fault, ok, warning } from './finding.js'

const CHANNEL = 'sluice_doctor'
const CONNECT_MS = 5_000
/** A NOTIFY takes milliseconds; a gateway gives its own 2.5 s. */
const ARRIVAL_MS = 2_500

export interface ListenFacts {
  /** Whether there is a LISTEN_DATABASE_URL. */
  readonly isSeparate: boolean
  /** Whether a pooler stands in front of DATABASE_URL, and of the connection that listens. */
  readonly pooled: { readonly database: boolean; readonly listen: boolean }
  /** How long each NOTIFY took to arrive, in ms; undefined if it has not. */
  readonly arrivals: {
    readonly fromListenUrl?: number | undefined
    readonly fromDatabaseUrl?: number | undefined
  }
}

/** @param listenUrl LISTEN_DATABASE_URL; undefined: gateways listen on DATABASE_URL. */
export async function checkListen(databaseUrl: string, listenUrl?: string): Promise<Finding[]> {
  return judgeListen(await tryListen(databaseUrl, listenUrl))
}

function judgeListen({ isSeparate, pooled, arrivals }: ListenFacts): Finding[] {
  return [judgePooler(isSeparate, pooled.database), judgeDelivery({ isSeparate, pooled, arrivals })]
}

function judgePooler(isSeparate: boolean, isPooled: boolean): Finding {
  const check = 'database-pooler'
  if (!isPooled) return ok(check, 'DATABASE_URL leads to the server without a pooler.')
  return isSeparate
    ? ok(check, 'DATABASE_URL goes through a pooler, and LISTEN_DATABASE_URL is set.')
    : fault(
        check,
        'DATABASE_URL goes through a pooler, and LISTEN_DATABASE_URL is not set: gateways treat the pooler as the server.',
        'Set LISTEN_DATABASE_URL to the server itself, for gateways and for doctor.',
      )
}

function judgeDelivery({ isSeparate, pooled, arrivals }: ListenFacts): Finding {
  const check = 'database-listen'
  const variable = isSeparate ? 'LISTEN_DATABASE_URL' : 'DATABASE_URL'
  if (arrivals.fromListenUrl === undefined) {
    return pooled.listen
      ? fault(
          check,
          `A NOTIFY did not reach a session that listens through ${variable}: the pooler there swallows it, as in transaction mode. Events then wait for a poll.`,
          'Set LISTEN_DATABASE_URL to the server itself.',
        )
      : fault(
          check,
          `A NOTIFY did not reach a session that listens through ${variable} within ${ARRIVAL_MS} ms, so events wait for a poll.`,
          'Check whether a proxy stands between, and whether the queue of NOTIFY is full.',
        )
  }
  if (isSeparate && arrivals.fromDatabaseUrl === undefined) {
    return fault(
      check,
      'A NOTIFY that was sent through DATABASE_URL did not reach LISTEN_DATABASE_URL: they lead to different databases.',
      'Set both to the same database of the same primary.',
    )
  }
  if (pooled.listen) {
    return warning(
      check,
      `LISTEN works through the pooler of ${variable} now, as in session mode. It stops when the pooler changes the mode or the session.`,
      'Set LISTEN_DATABASE_URL to the server itself.',
    )
  }
  return ok(
    check,
    `A NOTIFY reaches a session that listens through ${variable} in ${Math.ceil(arrivals.fromListenUrl)} ms.`,
  )
}

async function tryListen(databaseUrl: string, listenUrl: string | undefined): Promise<ListenFacts> {
  const open: pg.Client[] = []
  try {
    const connect = async (url: string) => {
      const client = clientOf(url)
      open.push(client)
      await client.connect()
      return client
    }
    const listener = await connect(listenUrl ?? databaseUrl)
    const sender = await connect(listenUrl ?? databaseUrl)
    const other = listenUrl === undefined ? undefined : await connect(databaseUrl)
    const arrived = new Map<string, number>()
    listener.on('notification', ({ payload = '' }) => arrived.set(payload, performance.now()))
    await listener.query(`listen ${CHANNEL}`)
    // A pooler takes the session back; only then does the NOTIFY show what happens to it.
    await elapsed(50)
    const fromListenUrl = await delay(sender, arrived)
    const fromDatabaseUrl = other && (await delay(other, arrived))
    return {
      isSeparate: listenUrl !== undefined,
      pooled: { database: await isPooled(other ?? sender), listen: await isPooled(sender) },
      arrivals: { fromListenUrl, fromDatabaseUrl },
    }
  } finally {
    await Promise.allSettled(open.map(client => client.end()))
  }
}

/** Sends a NOTIFY. @returns when it has arrived, in ms after the COMMIT of the NOTIFY began; undefined if it has not in time. */
async function delay(sender: pg.Client, arrived: ReadonlyMap<string, number>): Promise<number | undefined> {
  const payload = randomUUID()
  const sent = performance.now()
  await sender.query('select pg_notify($1, $2)', [CHANNEL, payload]).catch(error => {
    // The queue is full, or the server is read-only, which other checks report.
    if (databaseFault(error) === undefined) throw error
  })
  while (!arrived.has(payload) && performance.now() - sent < ARRIVAL_MS) await elapsed(5)
  const at = arrived.get(payload)
  return at === undefined ? undefined : at - sent
}

/** A pooler gives its clients process ids of its own (the message BackendKeyData, PostgreSQL manual, 55.2). */
async function isPooled(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const claimed: unknown = Reflect.get(client, 'processID')
  return typeof claimed === 'number' && claimed !== rows[0]?.pid
}

function clientOf(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sluice doctor',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
  })
  // A connection that breaks fails its query; without a listener it would end the process too.
  client.on('error', () => undefined)
  return client
}
