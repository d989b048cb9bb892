/**
 * A gateway with one stream that stays open from its first event to the end of the test, to see what a shortage of Postgres does to
 * the streams and requests of one gateway: whether the stream ends, and whether it has shown exactly the log.
 */
import type { Test } from 'tap'
import { openStream } from './event-stream.js'
import { as, startGateway } from './gateway.js'
import { execute } from './server.js'
import { until } from './until.js'

export type FollowedGateway = Awaited<ReturnType<typeof followGateway>>

/** What a caller got for a publish, or for any request. */
export interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  /** The code of the problem, and which fault of the database it names, if it is one. */
  readonly code: string | undefined
  readonly database: string | undefined
  readonly detail: string | undefined
}

const NOTICES: readonly (string | undefined)[] = ['heartbeat', 'server.state']

/** @param env of the gateway, beside that of every test. */
export async function followGateway(
  t: Test,
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
) {
  const gateway = await startGateway(t, { databaseUrl, env: { HEARTBEAT_MS: '1000', ...env } })
  const stream = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })
  const request = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${gateway.url}${path}`, init)
    const problem = Object(await response.json())
    const { code, database, detail } = problem
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      code,
      database,
      detail,
    }
  }
  return {
    gateway,
    stream,
    /** Publishes one event over HTTP. @param data is JSON. */
    publish: (data = '{}') =>
      request('/api/events', {
        method: 'POST',
        headers: { ...as('editor'), 'content-type': 'application/json' },
        body: `{"type":"thing.made","data":${data}}`,
      }),
    /** Reads one page of the past. */
    page: () =>
      request('/api/events?after=0&limit=1', { headers: { ...as('viewer'), accept: 'application/json' } }),
    /** Opens a stream and returns its first message, or the end. */
    async newcomer() {
      const other = await openStream(t, `${gateway.url}/api/events?from=beginning`, { headers: as('viewer') })
      const [first] = await other.until(1)
      other.close()
      return first
    },
    /** Resolves when the last `server.state` of the stream has this mode. */
    untilMode: (mode: string) =>
      stream.until(states => states.at(-1)?.data.startsWith(`{"mode":"${mode}"`) === true, 'server.state'),
    /** Resolves with the log when the stream has shown all of it; fails if it shows anything else or has ended. @param url from which the log is read. */
    async showsTheLog(url = databaseUrl): Promise<readonly string[]> {
      const log = await readLog(url)
      await stream.until(seen => events(seen).length >= log.length)
      t.strictSame(
        events(stream.messages).map(({ id, data }) => `${id?.split('.')[0]} ${data}`),
        log,
        'the stream has shown each event of the log once and in order',
      )
      t.notOk(stream.response.complete || stream.response.destroyed, 'the stream is open')
      return log
    },
  }
}

/** The position and the data of each event of stream `feed` in workspace `acme`, in order. */
async function readLog(url: string): Promise<string[]> {
  let log: string[] = []
  await until('the log can be read', async () => {
    const read = await execute(
      url,
      `select e."position" || ' ' || e.data as event from sluice.events e join sluice.streams s on s.id = e.stream_id
        where s.workspace = 'acme' and s.name = 'feed' order by e."position"`,
    ).catch(() => undefined)
    log = read?.rows.map(({ event }) => event) ?? []
    return read !== undefined
  })
  return log
}

function events<T extends { event?: string | undefined }>(messages: readonly T[]): T[] {
  return messages.filter(({ event }) => !NOTICES.includes(event))
}
