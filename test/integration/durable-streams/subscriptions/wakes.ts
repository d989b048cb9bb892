/** A gateway, a receiver of wakes, and the requests of a worker. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { as, type Gateway, type GatewayOptions, startGateway } from '../../../harness/gateway.js'
import { until } from '../../../harness/until.js'

export interface WokenStream {
  readonly path: string
  readonly link_type: string
  readonly acked_offset: string
  readonly tail_offset: string
  readonly has_pending: boolean
}

export interface Wake {
  readonly subscription_id: string
  readonly wake_id: string
  readonly generation: number
  readonly streams: readonly WokenStream[]
  readonly callback_url: string
  readonly callback_token: string
}

export interface Received {
  readonly raw: Buffer
  readonly headers: IncomingHttpHeaders
  readonly wake: Wake
  readonly at: number
}

export interface Receiver {
  readonly url: string
  readonly received: readonly Received[]
  answer: (wake: Wake) => { status: number; body?: object } | undefined
  /** The wake with this number, counted from 0. */
  wake(number: number): Promise<Received>
}

/** @returns a receiver that answers 200 unless `answer` says otherwise; undefined: it does not answer. */
export async function startReceiver(t: Test): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const raw = await buffer(request)
    const wake: Wake = JSON.parse(raw.toString())
    received.push({ raw, headers: request.headers, wake, at: performance.now() })
    const answer = receiver.answer(wake)
    if (answer) response.writeHead(answer.status).end(JSON.stringify(answer.body ?? {}))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answer: () => ({ status: 200 }),
    async wake(number) {
      await until(`wake ${number} arrives`, () => received.length > number)
      const found = received[number]
      if (!found) throw new Error('No wake.')
      return found
    },
  }
  return receiver
}

/** A gateway whose webhooks may go to this machine. */
export function startWakingGateway(t: Test, options: GatewayOptions = {}): Promise<Gateway> {
  return startGateway(t, { ...options, env: { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8', ...options.env } })
}

export function requestsTo({ url }: Pick<Gateway, 'url'>, workspace = 'acme') {
  const base = `${url}/v1/stream/__ds`
  const admin = as('admin', workspace)
  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = admin) {
    const response = await fetch(path.startsWith('http') ? path : `${base}${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 500) throw new Error(text)
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  return {
    base,
    send,
    put: (id: string, config: object, headers?: Record<string, string>) =>
      send('PUT', `/subscriptions/${id}`, config, headers),
    get: (id: string) => send('GET', `/subscriptions/${id}`),
    claim: (id: string, worker = 'worker-1') => send('POST', `/subscriptions/${id}/claim`, { worker }),
    work: (id: string, action: 'ack' | 'release' | 'callback', token: string, body: object) =>
      send('POST', `/subscriptions/${id}/${action}`, body, { authorization: `Bearer ${token}` }),
    /** Publishes one event natively. */
    async append(stream: string) {
      const response = await fetch(`${url}/api/events?stream=${encodeURIComponent(stream)}`, {
        method: 'POST',
        headers: { ...admin, 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'chunk', data: { json: 1 } }),
      })
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    },
  }
}

export function offset(position: number): string {
  return String(position).padStart(16, '0')
}

/** All pending streams of a wake, acknowledged up to their ends. */
export function acksOf(streams: readonly WokenStream[]) {
  return streams.map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset }))
}
