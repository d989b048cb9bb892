/** The items over HTTP, behind the plugins that guard every route, on a database of their own. */
import type { Test } from 'tap'
import routes from '../../../routes/items.js'
import { grantOn } from '../../../src/auth/grants/stream-grant.js'
import type { Role } from '../../../src/auth/principal.js'
import type { Database } from '../../../src/database/pool.js'
import type { Item, Revision } from '../../../src/items/item.js'
import { Items } from '../../../src/items/items.js'
import type { StreamId } from '../../../src/log/event.js'
import { formatEventId } from '../../../src/log/event-id.js'
import { notFound } from '../../../src/problems/problem.js'
import { createDatabase } from '../../harness/database.js'
import { guardedApp } from '../../harness/guarded-app.js'
import { bearer, token } from '../../harness/tokens.js'

/** Whatever an answer may hold; a test looks at what it expects. */
export type Body = Item &
  Revision & {
    readonly items: readonly Item[]
    readonly revisions: readonly Revision[]
    readonly next_cursor: string | null
    readonly code: string
    readonly detail: string
    readonly request_id: string
  }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

export interface Caller {
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  patch(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  delete(path: string, headers?: Record<string, string>): Promise<Answer>
}

export interface LoggedEvent {
  readonly id: string
  readonly type: string
  readonly data: Record<string, unknown>
  readonly actor: string
}

export interface ItemsService {
  readonly items: Items
  readonly pool: Database
  /** Streams whose readers were to be woken, in order. */
  readonly woken: StreamId[]
  /** Default role `editor`; the actor of its events is `<role> of <workspace>`. */
  as(workspace: string, role?: Role): Caller
  /** The workspace's feed, from the beginning. */
  feed(workspace: string): Promise<LoggedEvent[]>
}

export async function startItems(t: Test): Promise<ItemsService> {
  const { pool } = await createDatabase(t)
  const woken: StreamId[] = []
  const items = new Items({
    database: pool,
    onCommitted: committed => woken.push(...committed.map(({ streamId }) => streamId)),
  })
  const app = await guardedApp(t)
  app.decorate('items', items)
  // Grants have tests of their own: test/integration/auth/grants/.
  const all = async () =>
    grantOn(undefined, { action: 'subscribe', names: [], types: [], refusal: () => notFound('stream') })
  const decided = async <T>(_request: unknown, _action: unknown, _types: unknown, found: readonly T[]) => [
    ...found,
  ]
  app.decorate('grants', {
    of: () => undefined,
    toRead: all,
    toPublish: all,
    reads: async () => true,
    decides: false,
    decided,
  })
  await app.register(routes)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const as = (workspace: string, role: Role = 'editor') =>
    caller(url, bearer(token({ sub: `${role} of ${workspace}`, workspace, role })))
  return { items, pool, woken, as, feed: workspace => readFeed(pool, workspace) }
}

function caller(url: string, identity: Record<string, string>): Caller {
  const call = async (method: string, path: string, headers = {}, body?: unknown): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: { ...identity, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: text && JSON.parse(text) }
  }
  return {
    get: (path, headers) => call('GET', path, headers),
    post: (path, body, headers) => call('POST', path, headers, body),
    patch: (path, body, headers) => call('PATCH', path, headers, body),
    delete: (path, headers) => call('DELETE', path, headers),
  }
}

async function readFeed(pool: Database, workspace: string): Promise<LoggedEvent[]> {
  const { rows } = await pool.query(
    `select e.position, e.event_id, e.type, e.data, e.actor
       from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = $1 and s.name = 'feed'
      order by e.position`,
    [workspace],
  )
  return rows.map(({ position, event_id, type, data, actor }) => {
    return { id: formatEventId(position, event_id), type, data: JSON.parse(data), actor }
  })
}
