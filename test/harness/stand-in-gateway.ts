/**
 * A small server in place of the gateway: it keeps its jobs in memory, shows the test every request of a runner, and fails
 * when the test wants it to. gateway-and-runner.test.ts tests the real gateway with a runner.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './port.js'

export const TOKEN = 'the-token-of-a-runner'
const MAX_ATTEMPTS = 3
const SWEEP_MS = 50

export interface StoredEvent {
  readonly attempt: number
  readonly type: string
  readonly data: { line: string; stream: 'stdout' | 'stderr'; continues?: true }
}

export interface StandInJob {
  readonly id: string
  readonly payload: object
  readonly timeout_ms: number | null
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled' | 'interrupted'
  attempt: number
  runner: string | null
  result: Record<string, unknown> | null
  leaseExpiresAt: number
  /** How often its lease was renewed. */
  heartbeats: number
  readonly events: StoredEvent[]
  readonly keys: Map<string, string>
}

/** What goes wrong with a request: an answer, no answer at all, or none although it was done. */
export type Fault =
  | { status: number; retryAfter?: number }
  | { cut: 'before' | 'after' }
  | { delayMs: number }
  | undefined

export interface StandInGateway {
  readonly url: string
  readonly jobs: readonly StandInJob[]
  /** Puts a command into the queue. */
  add(payload: object, timeoutMs?: number): StandInJob
  cancel(job: StandInJob): void
  /** How many claims wait for a job. */
  claims(): number
  /** Asked for each request: `claim`, `heartbeat`, `events`, … */
  fault: (call: string) => Fault
  /** As a crash would; jobs stay. */
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startStandInGateway(t: Test): Promise<StandInGateway> {
  const jobs: StandInJob[] = []
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const go of waiting) go()
  }
  let server: Server
  const port = await freePort()

  const gateway = {
    url: `http://127.0.0.1:${port}`,
    jobs,
    fault: (_call: string): Fault => undefined,
    add(payload: object, timeoutMs?: number) {
      const job: StandInJob = {
        id: randomUUID(),
        payload,
        timeout_ms: timeoutMs ?? null,
        status: 'queued',
        attempt: 0,
        runner: null,
        result: null,
        leaseExpiresAt: 0,
        heartbeats: 0,
        events: [],
        keys: new Map(),
      }
      jobs.push(job)
      wake()
      return job
    },
    cancel(job: StandInJob) {
      job.status = 'cancelled'
    },
    claims: () => waiting.size,
    async start() {
      server = createServer((request, response) => void answer(request, response))
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  } satisfies StandInGateway
  await gateway.start()
  const sweeping = setInterval(sweep, SWEEP_MS)
  t.teardown(() => {
    clearInterval(sweeping)
    return gateway.stop()
  })
  return gateway

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, , , one = '', two] = (request.url ?? '').split('/')
    const fault = gateway.fault(two ?? one)
    if (fault && 'cut' in fault && fault.cut === 'before') return void request.socket.destroy()
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return
    if (fault && 'delayMs' in fault) await pause(fault.delayMs)
    if (fault && 'status' in fault) return refuse(response, fault.status, 'fault', fault.retryAfter)
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(response, 401, 'token-invalid')
    const done = two === undefined ? await claim(request, JSON.parse(body)) : act(request, one, two, body)
    if (fault && 'cut' in fault) return void request.socket.destroy()
    if (typeof done === 'string') return refuse(response, done === 'not-found' ? 404 : 409, done)
    if (done === undefined) response.writeHead(204).end()
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(done))
  }

  async function claim(
    request: IncomingMessage,
    asked: { runner: string; lease_ms: number; wait_ms: number },
  ) {
    const deadline = performance.now() + asked.wait_ms
    for (;;) {
      if (request.socket.destroyed) return undefined
      const job = jobs.find(({ status }) => status === 'queued')
      if (job) {
        job.status = 'running'
        job.attempt += 1
        job.runner = asked.runner
        job.leaseExpiresAt = Date.now() + asked.lease_ms
        const { id, attempt, payload, timeout_ms } = job
        return { job: { id, attempt, payload, timeout_ms, kind: 'command' } }
      }
      const left = deadline - performance.now()
      if (left <= 0) return undefined
      await untilWoken(request, left)
    }
  }

  async function untilWoken(request: IncomingMessage, ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const late = setTimeout(go, ms)
      function go() {
        clearTimeout(late)
        waiting.delete(go)
        request.socket.off('close', go)
        resolve()
      }
      waiting.add(go)
      request.socket.once('close', go)
    })
  }

  /** @returns the answer, or the code of a refusal. */
  function act(
    request: IncomingMessage,
    id: string,
    call: string,
    body: string,
  ): object | string | undefined {
    const asked = body === '' ? {} : JSON.parse(body)
    const attempt: number = asked.attempt ?? Number(request.headers['x-job-attempt'])
    const key = `${request.headers['idempotency-key']}`
    const job = jobs.find(job => job.id === id)
    if (!job) return 'not-found'
    if (call === 'events' && job.keys.get(key) === body) return { events: [] }
    if (job.attempt !== attempt || job.status === 'queued') return 'lease-lost'
    if (job.status !== 'running') return 'job-ended'
    switch (call) {
      case 'heartbeat':
        job.heartbeats += 1
        job.leaseExpiresAt = Date.now() + asked.lease_ms
        return { lease_expires_at: new Date(job.leaseExpiresAt).toISOString() }
      case 'events':
        job.keys.set(key, body)
        job.events.push(...asked.map((event: object) => ({ ...event, attempt })))
        return { events: [] }
      case 'release':
        job.status = 'queued'
        wake()
        return { status: job.status }
      case 'complete':
      case 'fail':
        job.status = call === 'complete' ? 'completed' : 'failed'
        job.result = asked.result
        return { status: job.status }
      default:
        return 'not-found'
    }
  }

  function sweep(): void {
    for (const job of jobs) {
      if (job.status !== 'running' || job.leaseExpiresAt > Date.now()) continue
      job.status = job.attempt < MAX_ATTEMPTS ? 'queued' : 'interrupted'
    }
    wake()
  }
}

function refuse(response: ServerResponse, status: number, code: string, retryAfter?: number): void {
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ status, code, detail: `Refused: ${code}.` }))
}
