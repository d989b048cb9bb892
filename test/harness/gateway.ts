/**
 * A complete gateway for tests: in this process, on a free port, with its own database unless the test passes one.
 * BUS_NOTIFY is taken from the environment, so the suite also runs with NOTIFY switched off.
 */
import type { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
// For the types of their decorations: the declarations of server/app.ts name no plugin.
import type {} from '../../plugins/access.js'
import type {} from '../../plugins/api-keys.js'
import type {} from '../../plugins/bodies.js'
import type {} from '../../plugins/bus.js'
import type {} from '../../plugins/cluster.js'
import type {} from '../../plugins/consumers.js'
import type {} from '../../plugins/database.js'
import type {} from '../../plugins/descriptors.js'
import type {} from '../../plugins/durable-streams.js'
import type {} from '../../plugins/grants.js'
import type {} from '../../plugins/hub.js'
import type {} from '../../plugins/items.js'
import type {} from '../../plugins/jobs.js'
import type {} from '../../plugins/memory.js'
import type {} from '../../plugins/metrics.js'
import type {} from '../../plugins/publisher.js'
import type {} from '../../plugins/recent-metrics.js'
import type {} from '../../plugins/server-state.js'
import type {} from '../../plugins/stream-slots.js'
import type {} from '../../plugins/tailer.js'
import type {} from '../../plugins/tokens.js'
import type {} from '../../plugins/usage.js'
import type {} from '../../plugins/webhook-deliverer.js'
import type {} from '../../plugins/webhooks.js'
import { buildApp } from '../../server/app.js'
import type { Role } from '../../src/auth/principal.js'
import { readConfig } from '../../src/config/config.js'
import type { HttpLimits } from '../../src/http/http-limits.js'
import type { MemoryReading } from '../../src/limits/process-memory.js'
import { logOptions } from '../../src/logging/http-log.js'
import { createDatabase } from './database.js'
import { within } from './patience.js'
import { bearer, SECRET, token } from './tokens.js'

export interface Gateway {
  /** The context of the gateway inside its server, with all of its decorations. */
  readonly app: FastifyInstance
  readonly url: string
  readonly databaseUrl: string
  /** Ends it as SIGTERM would. Called when the test ends, if the test has not called it. */
  close(): Promise<void>
}

/** The time to stop, the same as for a gateway process. */
const CLOSE_PATIENCE_MS = 30_000
/** A rate limit window that does not end while a test counts requests. */
const FORTNIGHT_MS = 14 * 24 * 3_600_000

export interface GatewayOptions {
  /** An existing database, to run several gateways on it. */
  readonly databaseUrl?: string
  readonly env?: Readonly<Record<string, string>>
  /** Shorter times than the real ones. */
  readonly httpLimits?: Partial<HttpLimits>
  /** Where its log lines go, as a process writes them; default: nowhere. */
  readonly log?: Writable
  /** Replaces the measurement of its memory. */
  readonly readMemory?: () => MemoryReading
  /** The site that it serves at /guide. Default: docs-site/, if it was built. */
  readonly guideFolder?: string
}

/** For a test that gives its requests an id, as only a trusted proxy may. */
export const BEHIND_PROXY = { TRUSTED_PROXIES: '127.0.0.1' } as const

/** The environment of every gateway under test, without rate limits. */
export function testEnvironment(databaseUrl: string): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    PORT: '0',
    DATABASE_URL: databaseUrl,
    JWT_SECRET: SECRET,
    RATE_LIMIT_MAX: '0',
    DRAIN_MS: '500',
    LOG_LEVEL: 'silent',
    BUS_NOTIFY: process.env.BUS_NOTIFY ?? 'on',
  }
}

export async function startGateway(test: Test, options: GatewayOptions = {}): Promise<Gateway> {
  const databaseUrl = options.databaseUrl ?? (await createDatabase(test)).url
  const config = readConfig({ ...testEnvironment(databaseUrl), ...options.env })
  let inner: FastifyInstance | undefined
  const host = await buildApp({
    config,
    databaseUrl,
    logger: options.log
      ? { ...logOptions(config.LOG_LEVEL), stream: options.log }
      : { level: config.LOG_LEVEL },
    httpLimits: options.httpLimits,
    internals: {
      readMemory: options.readMemory,
      guideFolder: options.guideFolder,
      rateWindowMs: FORTNIGHT_MS,
      onGateway(context) {
        inner = context
      },
    },
  })
  const app = inner ?? host
  const close = () => within(CLOSE_PATIENCE_MS, host.close(), () => 'The gateway did not close.')
  test.teardown(close)
  const url = await host.listen({ host: config.HOST, port: config.PORT })
  return { app, url, databaseUrl, close }
}

/** Headers of a caller with this role, by default in workspace acme. */
export function as(role: Role, workspace = 'acme'): { authorization: string } {
  return bearer(token({ role, workspace, sub: `${role}-of-${workspace}` }))
}

/** Publishes one event after another over HTTP and returns their ids. */
export async function publish(
  gateway: Pick<Gateway, 'url'>,
  events: { type: string; data: object } | { type: string; data: object }[],
  { workspace = 'acme', stream = 'feed', headers = {} } = {},
): Promise<string[]> {
  const response = await fetch(`${gateway.url}/api/events?stream=${stream}`, {
    method: 'POST',
    headers: { ...as('editor', workspace), 'content-type': 'application/json', ...headers },
    body: JSON.stringify(events),
  })
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`)
  const receipt = (await response.json()) as { events: { id: string }[] }
  return receipt.events.map(({ id }) => id)
}
