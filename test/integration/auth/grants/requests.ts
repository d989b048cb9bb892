/**
 * For every route a request that succeeds for a caller whose role suffices, on things that exist for this request alone: the
 * streams that it needs, so that only the caller's grants decide. A new route needs an entry here.
 */
import { randomUUID } from 'node:crypto'
import { type Gateway, publish } from '../../../harness/gateway.js'
import { bearer, token } from '../../../harness/tokens.js'

export interface Asked {
  readonly path: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  /** The stream that the request needs, and a prefix of its name or of its other name. */
  readonly exact: string
  readonly prefix: string
  /** A path of the same form whose object does not exist, for a route that reads. */
  readonly unknown?: string
}

export type Role = 'viewer' | 'editor' | 'admin' | 'runner'

/** The caller of all requests; the preparations are made without grants. */
export function caller(role: Role, grants?: object) {
  return bearer(token({ sub: 'ada', role, ...(grants && { sluice: grants }) }))
}

const ROOM = { exact: 'rooms/1', prefix: 'rooms/*' }
const FEED = { exact: 'feed', prefix: 'fee*' }
const PROJECT = 'website/2 *'
const PROJECT_PREFIX = 'project/website%2F2 %2A/*'
const PULL_WAKE = { type: 'pull-wake', streams: ['feed'], wake_stream: 'wakes' }
const NONE = '00000000-0000-4000-8000-000000000000'

export class Requests {
  readonly #gateway: Gateway

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /** By `METHOD url` of the route. Routes that are missing here show and write nothing that belongs to a workspace. */
  readonly all: Readonly<Record<string, () => Promise<Asked>>> = {
    'GET /api/events': async () => {
      await this.#room()
      return { ...ROOM, path: '/api/events?stream=rooms/1', unknown: '/api/events?stream=rooms/9' }
    },
    'GET /api/events/:id': async () => {
      const [id = ''] = await this.#room()
      const path = `/api/events/${id}?stream=rooms/`
      return { ...ROOM, path: `${path}1`, unknown: `${path}9` }
    },
    'POST /api/events/:id/redact': async () => {
      const [id = ''] = await this.#room()
      const path = `/api/events/${id}/redact?stream=rooms/`
      return { ...ROOM, path: `${path}1`, unknown: `${path}9`, body: { reason: 'x' } }
    },
    'POST /api/events/redact': async () => {
      await this.#room()
      const path = '/api/events/redact?stream=rooms/'
      const body = { where: 'data.mark eq true', reason: 'x' }
      return { ...ROOM, path: `${path}1`, unknown: `${path}9`, body }
    },
    'GET /api/latest': async () => {
      await this.#room()
      const path = '/api/latest?key=data.mark&stream=rooms/'
      return { ...ROOM, path: `${path}1`, unknown: `${path}9` }
    },
    'PUT /api/consumers/:name': async () => {
      await this.#room()
      return { ...ROOM, path: `/api/consumers/${name()}`, body: { stream: 'rooms/1' } }
    },
    'GET /api/consumers': async () => {
      await this.#consumer()
      return { ...ROOM, path: '/api/consumers' }
    },
    'GET /api/consumers/:name': async () => {
      const path = `/api/consumers/${await this.#consumer()}`
      return { ...ROOM, path, unknown: '/api/consumers/unknown' }
    },
    'GET /api/consumers/:name/events': async () => {
      const path = `/api/consumers/${await this.#consumer()}/events`
      return { ...ROOM, path, unknown: '/api/consumers/unknown/events' }
    },
    'DELETE /api/consumers/:name': async () => ({
      ...ROOM,
      path: `/api/consumers/${await this.#consumer()}`,
    }),
    'POST /api/consumers/:name/seek': async () => {
      const path = `/api/consumers/${await this.#consumer()}/seek`
      return { ...ROOM, path, body: { to: 'now' } }
    },
    'POST /api/consumers/:name/ack': async () => {
      const path = `/api/consumers/${await this.#consumer()}/ack`
      return { ...ROOM, path, body: { id: '1' } }
    },
    'PUT /v1/stream/__ds/subscriptions/:id': async () => {
      const subscription = await this.#subscription()
      return { ...FEED, path: `${subscription}-2`, body: PULL_WAKE }
    },
    'GET /v1/stream/__ds/subscriptions/:id': () => this.#onSubscription(''),
    'DELETE /v1/stream/__ds/subscriptions/:id': () => this.#onSubscription(''),
    'POST /v1/stream/__ds/subscriptions/:id/streams': () =>
      this.#onSubscription('/streams', { streams: ['a'] }),
    'DELETE /v1/stream/__ds/subscriptions/:id/streams/*': () => this.#onSubscription('/streams/a'),
    'POST /v1/stream/__ds/subscriptions/:id/claim': () => this.#onSubscription('/claim', { worker: 'w' }),
    'GET /api/webhooks': async () => ({ ...FEED, path: '/api/webhooks' }),
    'POST /api/webhooks': async () => ({ ...FEED, path: '/api/webhooks', body: this.#hook }),
    'GET /api/webhooks/:id': () => this.#onWebhook(''),
    'PATCH /api/webhooks/:id': () => this.#onWebhook('', { description: 'x' }),
    'DELETE /api/webhooks/:id': () => this.#onWebhook(''),
    'POST /api/webhooks/:id/test': () => this.#onWebhook('/test'),
    'POST /api/webhooks/:id/pause': () => this.#onWebhook('/pause'),
    'POST /api/webhooks/:id/resume': () => this.#onWebhook('/resume'),
    'POST /api/webhooks/:id/rotate-secret': () => this.#onWebhook('/rotate-secret'),
    'POST /api/webhooks/:id/replay': () => this.#onWebhook('/replay', { from: 'beginning' }),
    'DELETE /api/webhooks/:id/replay': () => this.#onWebhook('/replay'),
    'GET /api/webhooks/:id/deliveries': () => this.#onWebhook('/deliveries'),
    'GET /api/webhooks/:id/dead-letters': () => this.#onWebhook('/dead-letters'),
    'POST /api/webhooks/:id/dead-letters/retry': () => this.#onWebhook('/dead-letters/retry'),
    'POST /api/webhooks/:id/deliveries/:delivery/retry': async () => {
      const { path } = await this.#onWebhook('')
      return { ...FEED, path: `${path}/deliveries/${await this.#delivery(path)}/retry` }
    },
    'POST /api/events': async () => ({ ...ROOM, path: '/api/events?stream=rooms/1', body: this.#event }),
    'GET /v1/stream/*': async () => {
      await this.#room()
      return { ...ROOM, path: '/v1/stream/rooms/1', unknown: '/v1/stream/rooms/9' }
    },
    'PUT /v1/stream/*': async () => ofDurable(name()),
    'POST /v1/stream/*': async () => {
      await this.#room()
      return { ...ROOM, path: '/v1/stream/rooms/1', body: {} }
    },
    'DELETE /v1/stream/*': async () => {
      const asked = ofDurable(name())
      const headers = { ...caller('editor'), 'content-type': 'application/json' }
      await fetch(this.#gateway.url + asked.path, { method: 'PUT', headers, body: '{}' })
      return { exact: asked.exact, prefix: asked.prefix, path: asked.path }
    },
    'GET /api/items': async () => ({ ...FEED, path: `/api/items?search=${await this.#item()}` }),
    'POST /api/items': async () => ({ ...FEED, path: '/api/items', body: newItem(name()) }),
    'GET /api/items/:part_number': () => this.#onItem(''),
    'PATCH /api/items/:part_number': () => this.#onItem('', { description: 'Changed' }),
    'DELETE /api/items/:part_number': () => this.#onItem(''),
    'GET /api/items/:part_number/revisions': () => this.#onItem('/revisions'),
    'POST /api/items/:part_number/revisions': () => this.#onItem('/revisions', { comment: 'Next' }),
    'POST /api/jobs': async () => ofJob(name(), id => ({ path: '/api/jobs', body: { ...BUILD, id } })),
    'GET /api/jobs': async () => {
      const kind = name()
      return ofJob(await this.#job({ kind }), () => ({ path: `/api/jobs?kind=${kind}` }))
    },
    'GET /api/jobs/:id': () => this.#onJob(id => `/api/jobs/${id}`),
    'GET /api/jobs/:id/events': () => this.#onEnded(id => `/api/jobs/${id}/events`),
    'POST /api/jobs/:id/events': () => this.#onJob(id => `/api/jobs/${id}/events`, this.#event),
    'POST /api/jobs/:id/complete': () => this.#onJob(id => `/api/jobs/${id}/complete`, {}),
    'POST /api/jobs/:id/fail': () => this.#onJob(id => `/api/jobs/${id}/fail`, {}),
    'POST /api/jobs/:id/abort': () => this.#onJob(id => `/api/jobs/${id}/abort`, {}),
    'POST /api/jobs/:id/cancel': () => this.#onJob(id => `/api/jobs/${id}/cancel`),
    'POST /api/jobs/claim': async () => {
      const kind = name()
      const body = { runner: 'r', kinds: [kind] }
      return ofJob(await this.#job({ kind, started: false }), () => ({ path: '/api/jobs/claim', body }))
    },
    'POST /api/jobs/:id/heartbeat': () => this.#onClaimed('heartbeat', { attempt: 1 }),
    'POST /api/jobs/:id/release': () => this.#onClaimed('release'),
    'GET /runner-jobs/:id/events/stream': () => this.#onEnded(id => `/runner-jobs/${id}/events/stream`),
    'GET /api/v1/runs/:runId': () => this.#onJob(id => `/api/v1/runs/${id}`),
    'GET /api/v1/runs/:runId/events': () => this.#onEnded(id => `/api/v1/runs/${id}/events`),
    'POST /api/executions': async () =>
      ofExecution(name(), executionId => ({ path: '/api/executions', body: { executionId } })),
    'GET /api/executions/:executionId': () => this.#onExecution(''),
    'POST /api/executions/:executionId/events': () => this.#onExecution('/events', this.#event),
    'POST /api/executions/:executionId/cancel': () => this.#onExecution('/cancel'),
    'GET /api/executions/:executionId/events': async () => {
      const id = await this.#execution()
      await this.#make(`/api/executions/${id}/cancel`)
      const path = (one: string) => ({ path: `/api/executions/${one}/events` })
      return { ...ofExecution(id, path), unknown: path(NONE).path }
    },
    'POST /projects/:id/shell': async () =>
      ofJob(name(), id => ({
        path: `/projects/${encodeURIComponent(PROJECT)}/shell`,
        body: { command: 'true', id },
      })),
    'GET /projects/:id/events': async () => {
      const path = `/projects/${encodeURIComponent(PROJECT)}`
      const id = name()
      await this.#make(`${path}/shell`, { command: 'true', id })
      await this.#make(`/api/jobs/${id}/abort`)
      const events = (one: string) => ({ path: `${path}/events?stream_id=${one}` })
      return { ...ofJob(id, events), unknown: events(NONE).path }
    },
    'GET /projects': async () => ({ ...(await this.#project()), path: '/projects' }),
    'POST /projects': async () => {
      const id = name()
      return { ...ofProject(id), path: '/projects', body: { id } }
    },
    'GET /projects/:id': async () => ({ ...(await this.#project()), unknown: '/projects/nothing' }),
    'PATCH /projects/:id': async () => ({ ...(await this.#project()), body: { members: [] } }),
    'DELETE /projects/:id': () => this.#project(),
    'POST /api/keys': async () => ({ ...ROOM, path: '/api/keys', body: NEW_KEY }),
    'GET /api/keys': async () => {
      await this.#key()
      return { ...ROOM, path: '/api/keys' }
    },
    'PATCH /api/keys/:id': async () => ({
      ...ROOM,
      path: `/api/keys/${await this.#key()}`,
      body: { grants: null },
      unknown: `/api/keys/${'a'.repeat(12)}`,
    }),
    'DELETE /api/keys/:id': async () => ({ ...ROOM, path: `/api/keys/${await this.#key()}` }),
    'POST /api/keys/:id/rotate': async () => ({ ...ROOM, path: `/api/keys/${await this.#key()}/rotate` }),
    'POST /api/revocations': async () => ({ ...ROOM, path: '/api/revocations', body: { subject: name() } }),
    'GET /api/revocations': async () => ({ ...ROOM, path: '/api/revocations' }),
    'DELETE /api/revocations/:id': async () => {
      const made = await this.#make('/api/revocations', { subject: name() }, 'admin')
      return { ...ROOM, path: `/api/revocations/${made.id}` }
    },
    'GET /api/clients': async () => ({ ...ROOM, path: '/api/clients' }),
    'GET /api/clients/closed': async () => ({ ...ROOM, path: '/api/clients/closed' }),
    'GET /api/clients/refused': async () => ({ ...ROOM, path: '/api/clients/refused' }),
    'DELETE /api/clients/:connection': async () => ({
      ...ROOM,
      path: `/api/clients/${await this.#client()}`,
    }),
    'GET /api/cluster': async () => ({ ...ROOM, path: '/api/cluster' }),
    'GET /api/events/publishers': async () => ({
      ...ROOM,
      path: '/api/events/publishers?ids=1.aaaaaa&stream=rooms/1',
    }),
    'GET /api/explain': async () => ({ ...ROOM, path: '/api/explain?event=1.aaaaaa&stream=rooms/1' }),
    'GET /api/stream-clients': async () => {
      await this.#room()
      const path = '/api/stream-clients?stream=rooms/'
      return { ...ROOM, path: `${path}1`, unknown: `${path}9` }
    },
    'GET /api/streams': async () => ({ ...ROOM, path: '/api/streams' }),
    'GET /api/streams/:name': () => this.#stream(''),
    'PATCH /api/streams/:name': async () => ({ ...(await this.#stream('')), body: { max_events: 9 } }),
    'POST /api/streams/:name/close': () => this.#stream('/close'),
    'DELETE /api/streams/:name': () => this.#stream(''),
    'GET /api/usage': async () => ({ ...ROOM, path: '/api/usage' }),
    'GET /api/workspace': async () => ({ ...ROOM, path: '/api/workspace' }),
    'PATCH /api/workspace': async () => ({ ...ROOM, path: '/api/workspace', body: { max_events: 9 } }),
    'GET /api/workspace/export': async () => ({ ...ROOM, path: '/api/workspace/export' }),
    'GET /api/audit': async () => ({ ...ROOM, path: '/api/audit' }),
    'GET /metrics': async () => ({ ...ROOM, path: '/metrics' }),
    'GET /api/principal': async () => ({ ...ROOM, path: '/api/principal' }),
    'GET /api/server/metrics': async () => ({ ...ROOM, path: '/api/server/metrics' }),
    'GET /api/server/state': async () => ({ ...ROOM, path: '/api/server/state' }),
    'PUT /api/server/state': async () => ({ ...ROOM, path: '/api/server/state', body: { mode: 'normal' } }),
    'POST /api/stream-tickets': async () => ({
      ...ROOM,
      path: '/api/stream-tickets',
      body: { path: '/api/events?stream=rooms/1' },
    }),
    'POST /api/streams/:connection/token': async () => ({
      ...ROOM,
      path: `/api/streams/${randomUUID()}/token`,
    }),
  }

  readonly #event = { type: 'note.made', data: { mark: true } }

  #room(): Promise<string[]> {
    return publish(this.#gateway, this.#event, { stream: 'rooms/1' })
  }

  get #hook() {
    // Paused, so that nothing but a test is sent.
    return { url: `${this.#gateway.url}/health`, enabled: false }
  }

  /** The path of a subscription of the feed, with work. */
  async #subscription(): Promise<string> {
    await publish(this.#gateway, { type: 'opened', data: {} }, { stream: PULL_WAKE.wake_stream })
    const path = `/v1/stream/__ds/subscriptions/${randomUUID()}`
    await fetch(`${this.#gateway.url}${path}`, {
      method: 'PUT',
      headers: { ...caller('admin'), 'content-type': 'application/json' },
      body: JSON.stringify(PULL_WAKE),
    })
    await this.#item()
    return path
  }

  async #onSubscription(action: string, body?: object): Promise<Asked> {
    return { ...FEED, path: `${await this.#subscription()}${action}`, ...(body && { body }) }
  }

  async #onWebhook(path: string, body?: object): Promise<Asked> {
    await this.#item()
    const response = await fetch(`${this.#gateway.url}/api/webhooks`, {
      method: 'POST',
      headers: { ...caller('admin'), 'content-type': 'application/json' },
      body: JSON.stringify(this.#hook),
    })
    const { id } = Object(await response.json())
    return { ...FEED, path: `/api/webhooks/${id}${path}`, ...(body && { body }) }
  }

  /** An attempt to deliver the newest event of the feed. */
  async #delivery(path: string): Promise<string> {
    const id = randomUUID()
    await this.#gateway.app.database.query(
      `insert into sluice.webhook_attempts (webhook_id, id, workspace, "position", event_id, type, attempt, at, lane, outcome)
       select $1, $2, w.workspace, c.cursor_position, c.cursor_event_id, 'item.created', 1, now(), 'live', 'failed'
         from sluice.webhooks w join sluice.consumers c on c.id = w.id where w.id = $1`,
      [path.split('/').at(-1), id],
    )
    return id
  }

  async #consumer(): Promise<string> {
    await this.#room()
    const made = name()
    const response = await fetch(`${this.#gateway.url}/api/consumers/${made}`, {
      method: 'PUT',
      headers: { ...caller('editor'), 'content-type': 'application/json' },
      body: JSON.stringify({ stream: 'rooms/1', start: 'beginning' }),
    })
    if (!response.ok) throw new Error(await response.text())
    return made
  }

  /** A client of the feed, by the name of its connection. */
  async #client(): Promise<string> {
    const headers = { ...caller('viewer'), accept: 'text/event-stream' }
    const stream = await fetch(`${this.#gateway.url}/api/events`, { headers })
    for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const [, connection] = /"connection":"([^"]*)"/.exec(chunk) ?? []
      if (connection !== undefined) return connection
    }
    throw new Error('The stream has no connection.')
  }

  async #stream(rest: string): Promise<Asked> {
    const stream = name()
    await publish(this.#gateway, this.#event, { stream })
    return { exact: stream, prefix: `${stream}*`, path: `/api/streams/${stream}${rest}` }
  }

  async #item(): Promise<string> {
    const item = newItem(name())
    await this.#make('/api/items', item)
    return item.part_number
  }

  async #onItem(rest: string, body?: object): Promise<Asked> {
    const path = (item: string) => `/api/items/${item}${rest}`
    return { ...FEED, path: path(await this.#item()), unknown: path('NONE'), ...(body && { body }) }
  }

  async #job({ kind = 'build', started = true } = {}): Promise<string> {
    return String((await this.#make('/api/jobs', { ...BUILD, kind, started })).id)
  }

  async #onJob(path: (id: string) => string, body?: object): Promise<Asked> {
    const id = await this.#job()
    return ofJob(id, one => ({ path: path(one), unknown: path(NONE), ...(body && { body }) }))
  }

  async #onEnded(path: (id: string) => string): Promise<Asked> {
    const id = await this.#job()
    await this.#make(`/api/jobs/${id}/events`, this.#event)
    await this.#make(`/api/jobs/${id}/complete`)
    return ofJob(id, one => ({ path: path(one), unknown: path(NONE) }))
  }

  async #onClaimed(action: string, body?: object): Promise<Asked> {
    const kind = name()
    const id = await this.#job({ kind, started: false })
    await this.#make('/api/jobs/claim', { runner: 'r', kinds: [kind] }, 'runner')
    const headers = { 'x-job-attempt': '1' }
    return ofJob(id, () => ({ path: `/api/jobs/${id}/${action}`, headers, ...(body && { body }) }))
  }

  async #execution(): Promise<string> {
    return String((await this.#make('/api/executions', {})).executionId)
  }

  async #onExecution(rest: string, body?: object): Promise<Asked> {
    const path = (id: string) => `/api/executions/${id}${rest}`
    const id = await this.#execution()
    return ofExecution(id, one => ({ path: path(one), unknown: path(NONE), ...(body && { body }) }))
  }

  async #project(): Promise<Asked> {
    const id = name()
    await this.#make('/projects', { id }, 'admin')
    return { ...ofProject(id), path: `/projects/${id}` }
  }

  async #key(): Promise<string> {
    return String((await this.#make('/api/keys', NEW_KEY, 'admin')).id)
  }

  async #make(path: string, body?: object, role: Role = 'editor'): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#gateway.url}${path}`, {
      method: 'POST',
      headers: { ...caller(role), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return Object(await response.json())
  }
}

const BUILD = { kind: 'build', project: PROJECT }
const NEW_KEY = { name: 'a key', role: 'viewer' }

let names = 0
/** A name that nothing has yet. */
function name(): string {
  names += 1
  return `n${names}`
}

function newItem(part_number: string) {
  return { part_number, description: 'Bracket', item_type: 'part' }
}

function ofJob(id: string, ask: (id: string) => Pick<Asked, 'path' | 'body' | 'headers' | 'unknown'>): Asked {
  return { exact: `job:${id}`, prefix: PROJECT_PREFIX, ...ask(id) }
}

/** An execution has no project. */
function ofExecution(id: string, ask: (id: string) => Pick<Asked, 'path' | 'body' | 'unknown'>): Asked {
  return { exact: `job:${id}`, prefix: 'job:*', ...ask(id) }
}

/** One job of a project does not grant the project. */
function ofProject(id: string): Pick<Asked, 'exact' | 'prefix'> {
  return { exact: `project/${id}/7`, prefix: `project/${id}/*` }
}

function ofDurable(id: string): Asked {
  return { exact: `rooms/${id}`, prefix: 'rooms/*', path: `/v1/stream/rooms/${id}`, body: {} }
}
