/**
 * The receivers of webhooks, in a process of their own that bench/receivers.ts starts: one for each endpoint, on as many ports as
 * there are hosts. Each checks that it gets event after event, each once.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { now } from './statistics.js'

export type ReceiverOrder =
  | { readonly kind: 'listen'; readonly hosts: number; readonly ordered: boolean }
  /** The answer of all receivers from now on. */
  | { readonly kind: 'answer'; readonly status: number }
  /** Answered when the endpoints have accepted so many events together. */
  | { readonly kind: 'await'; readonly events: number }
  | { readonly kind: 'report' }

export interface ReceiverReport {
  readonly fault?: string
  readonly ports: readonly number[]
  readonly cpuSeconds: number
  /** Accepted by all endpoints together, and not accepted. */
  readonly events: number
  readonly refused: number
  /** When the last of them arrived, in ns of the machine. */
  readonly lastAt: number
  /** The number of an event, and when it arrived at an endpoint, in ns of the machine. */
  readonly arrivals: readonly (readonly [n: number, at: number])[]
}

interface Endpoint {
  next: number
  readonly seen: Set<number>
}

/** Where the number of the event stands in the body: `"data":{"n":17,`. */
const NUMBER = /"n": ?(\d+)/
const endpoints = new Map<string, Endpoint>()
let arrivals: [n: number, at: number][] = []
let ports: number[] = []
let isOrdered = true
let status = 200
let fault: string | undefined
let events = 0
let refused = 0
let lastAt = 0
let awaited: { readonly events: number; readonly reached: () => void } | undefined

process.on('message', (order: ReceiverOrder) => void obey(order))

async function obey(order: ReceiverOrder): Promise<void> {
  if (order.kind === 'listen') await listen(order)
  else if (order.kind === 'answer') status = order.status
  else if (order.kind === 'await') await accepted(order.events)
  const { user, system } = process.cpuUsage()
  const report = { ports, cpuSeconds: (user + system) / 1e6, events, refused, lastAt }
  process.send?.({
    ...report,
    arrivals: order.kind === 'report' ? arrivals : [],
    ...(fault !== undefined && { fault }),
  } satisfies ReceiverReport)
  if (order.kind === 'report') arrivals = []
}

async function listen({ hosts, ordered }: ReceiverOrder & { kind: 'listen' }): Promise<void> {
  isOrdered = ordered
  const servers = Array.from({ length: hosts }, () =>
    createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', chunk => {
        body += chunk
      })
      request.on('end', () => {
        if (status === 200) accept(request.url ?? '', body)
        else refused += 1
        response.writeHead(status).end()
      })
    }),
  )
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  ports = servers.map(server => (server.address() as AddressInfo).port)
}

function accept(path: string, body: string): void {
  const n = Number(NUMBER.exec(body)?.[1] ?? Number.NaN)
  const endpoint = endpoints.get(path) ?? { next: 0, seen: new Set() }
  endpoints.set(path, endpoint)
  if (!(n >= 0)) fault ??= `${path} got a message without a number: ${body.slice(0, 200)}`
  if (isOrdered ? n !== endpoint.next : endpoint.seen.has(n))
    fault ??= `${path} got event ${n} ${isOrdered ? `instead of ${endpoint.next}` : 'again'}.`
  endpoint.next = n + 1
  if (!isOrdered) endpoint.seen.add(n)
  lastAt = now()
  events += 1
  arrivals.push([n, lastAt])
  if (awaited && events >= awaited.events) awaited.reached()
}

async function accepted(count: number): Promise<void> {
  if (events >= count) return
  await new Promise<void>(reached => {
    awaited = { events: count, reached }
  })
}
