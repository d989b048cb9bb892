/**
 * Sends requests to receivers of webhooks. Each request passes two circuit breakers: one for the origin, which learns whether the host
 * takes connections, and one for the origin in the workspace, which learns whether the requests are answered. So a dead host holds
 * everybody back, but a workspace whose URL on a shared host stalls holds back only itself.
 */
import type { Agent } from 'undici'
import { type CheckedConnector, checkedConnector } from '../../network/checked-connector.js'
import type { Breakers, Health } from '../../network/circuit-breaker.js'
import type { HostAddresses } from '../../network/host-addresses.js'
import type { NetworkPolicy } from '../../network/network-policy.js'
import { parseOutboundUrl } from '../../network/outbound-url.js'
import type { FailureKind, Outcome } from './outcome.js'
import { type Post, post } from './post.js'

const KEEP_ALIVE_MS = 4_000
/** Connections that wait for a further request, at most. */
export const KEPT_CONNECTIONS = 256
const MAX_ANSWER_HEADERS_BYTES = 16 * 1_024
const NO_TIMEOUT = 0

export interface SenderOptions {
  readonly policy: NetworkPolicy
  readonly addresses: HostAddresses
  readonly breakers: Breakers
  /** From the call to the last byte of the answer, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number
  /** For the look-up of the host, the connection and TLS, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** Bytes of an answer that are read at most. Default 64 KiB. */
  readonly answerBytes?: number
  /** Connections to one origin at once. A request beyond them waits, within its time limit. Default 256. */
  readonly connections?: number
  /** Connections to all origins beyond which none is kept for a further request. Default 256. */
  readonly keptConnections?: number
  /** Certificates of authorities to trust in place of the usual ones, in PEM. */
  readonly ca?: string
}

export interface SendRequest {
  readonly url: string
  /** All headers besides `host`, `content-length`, `connection` and `user-agent`; no name twice in different case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** The workspace to which the endpoint belongs. */
  readonly workspace: string
  /** Sends it whatever the circuit breakers say, and tells them nothing: for a test by hand. Default false. */
  readonly isTest?: boolean
  /** Aborts the request, as when the process ends. */
  readonly signal?: AbortSignal
}

export interface Sender {
  /** One POST, at once, and its outcome. Never rejects. */
  send(request: SendRequest): Promise<Outcome>
  /** Ends all requests, as aborted, and closes all connections. */
  close(): Promise<void>
}

export function createSender(options: SenderOptions): Sender {
  const {
    policy,
    breakers,
    timeoutMs = 15_000,
    answerBytes = 64 * 1_024,
    keptConnections = KEPT_CONNECTIONS,
  } = options
  let transport: Promise<Transport> | undefined
  let isClosed = false

  async function attempt(request: Omit<Post, 'isKept'>): Promise<Outcome> {
    transport ??= openTransport(options)
    const { agent, connector } = await transport
    if (isClosed) return { kind: 'aborted' }
    return await post(
      agent,
      { ...request, isKept: connector.open < keptConnections },
      { timeoutMs, answerBytes },
    )
  }

  return {
    async send({ url: text, workspace, isTest = false, ...request }) {
      const parsed = parseOutboundUrl(text, policy)
      if ('fault' in parsed) {
        return { kind: 'failed', error: 'refused-address', detail: parsed.fault, milliseconds: 0 }
      }
      const { url } = parsed
      const work = () => attempt({ ...request, url })
      if (isTest) return await work()
      const host = breakers.of(url.origin)
      const own = breakers.of(`${url.origin} ${workspace}`)
      for (const breaker of [host, own]) {
        const untilMs = breaker.heldUntil()
        if (untilMs !== undefined) {
          return { kind: 'held-back', untilMs, ...(breaker.failure && { cause: breaker.failure }) }
        }
      }
      return await host.run(() => own.run(work, answersRequests), takesConnections)
    },
    async close() {
      isClosed = true
      await (await transport)?.agent.destroy()
    },
  }
}

interface Transport {
  readonly agent: Agent
  readonly connector: CheckedConnector
}

/** Loads undici, which takes 20 MiB, so a process that never sends does without it. */
async function openTransport(options: SenderOptions): Promise<Transport> {
  const { connectTimeoutMs = 10_000, connections = 256 } = options
  const { Agent, buildConnector } = await import('undici')
  const connector = checkedConnector({ ...options, build: buildConnector, timeoutMs: connectTimeoutMs })
  const agent = new Agent({
    connect: connector.connect,
    connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_ANSWER_HEADERS_BYTES,
    // The time limit of the whole request stands for both.
    headersTimeout: NO_TIMEOUT,
    bodyTimeout: NO_TIMEOUT,
  })
  return { agent, connector }
}

/** Failures that say nothing of the host: nothing was sent to it. */
const NOT_SENT: ReadonlySet<FailureKind> = new Set(['refused-address', 'bad-headers'])
const NO_CONNECTION: ReadonlySet<FailureKind> = new Set(['dns', 'connect', 'tls'])

function takesConnections(outcome: Outcome): Health {
  const health = answersRequests(outcome)
  const isReached = outcome.kind === 'failed' && health !== 'undecided' && !NO_CONNECTION.has(outcome.error)
  return isReached ? 'answers' : health
}

function answersRequests(outcome: Outcome): Health {
  if (outcome.kind === 'answered') return 'answers'
  if (outcome.kind !== 'failed' || NOT_SENT.has(outcome.error)) return 'undecided'
  return { failure: outcome.detail }
}
