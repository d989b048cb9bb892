/** Puts the gateway together: plugins, then routes, in reading order. What each does is in its own file. */
import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import access from '../plugins/access.js'
import apiKeys from '../plugins/api-keys.js'
import audit from '../plugins/audit.js'
import auth from '../plugins/auth.js'
import bodies from '../plugins/bodies.js'
import bus from '../plugins/bus.js'
import connections from '../plugins/connections.js'
import console from '../plugins/console.js'
import cors from '../plugins/cors.js'
import database from '../plugins/database.js'
import eventPages from '../plugins/event-pages.js'
import failedAuthentications from '../plugins/failed-authentications.js'
import follow from '../plugins/follow.js'
import headers from '../plugins/headers.js'
import hub from '../plugins/hub.js'
import jobs from '../plugins/jobs.js'
import maintenance from '../plugins/maintenance.js'
import memory from '../plugins/memory.js'
import openapi from '../plugins/openapi.js'
import problems from '../plugins/problems.js'
import rateLimit from '../plugins/rate-limit.js'
import retention from '../plugins/retention.js'
import sse from '../plugins/sse.js'
import streamParameters from '../plugins/stream-parameters.js'
import streamSlots from '../plugins/stream-slots.js'
import streamTickets from '../plugins/stream-tickets.js'
import validation from '../plugins/validation.js'
import auditRoutes from '../routes/audit.js'
import artifactRoutes from '../routes/compat/artifacts.js'
import executionRoutes from '../routes/compat/executions.js'
import projectRoutes from '../routes/compat/projects.js'
import runnerJobRoutes from '../routes/compat/runner-jobs.js'
import runRoutes from '../routes/compat/runs.js'
import eventRoutes from '../routes/events.js'
import feedRoutes from '../routes/feed.js'
import healthRoutes from '../routes/health.js'
import itemRoutes from '../routes/items.js'
import jobEventRoutes from '../routes/job-events.js'
import jobReportRoutes from '../routes/job-reports.js'
import jobRoutes from '../routes/jobs.js'
import keyRoutes from '../routes/keys.js'
import revocationRoutes from '../routes/revocations.js'
import serverStateRoutes from '../routes/server-state.js'
import streamRenewalRoutes from '../routes/stream-renewals.js'
import streamTicketRoutes from '../routes/stream-tickets.js'
import { ACCESS_KEPT_DAYS } from '../src/auth/revocations/revocation-stream.js'
import type { Keys } from '../src/auth/tokens/keys.js'
import type { Config } from '../src/config/config.js'
import { answerClientError } from '../src/http/client-error.js'
import { HTTP_LIMITS, type HttpLimits, serverOptions } from '../src/http/http-limits.js'
import { Items } from '../src/items/items.js'
import { ArtifactLinks } from '../src/jobs/artifacts.js'
import type { MemoryReading } from '../src/limits/process-memory.js'
import type { StreamCaps } from '../src/limits/stream-slots.js'
import { requestId } from '../src/logging/http-log.js'
import { parseProxies } from '../src/network/trusted-proxies.js'
import type { WorkerChannel } from '../src/process/worker-channel.js'

declare module 'fastify' {
  interface FastifyInstance {
    items: Items
  }
}

const PLUGIN_TIMEOUT_MS = 10_000
/** For the log, the bus and probes, beside DATABASE_POOL. */
const OTHER_DATABASE_CONNECTIONS = 8

export interface AppOptions {
  readonly config: Config
  readonly databaseUrl: string
  readonly keys: Keys
  readonly logger: FastifyServerOptions['logger']
  /** The other gateways behind the same port, where there are any. */
  readonly workerChannel?: WorkerChannel | undefined
  /** Of time, in ms; default HTTP_LIMITS. For tests, which have less of it. */
  readonly httpLimits?: Partial<HttpLimits> | undefined
  /** The window of the rate limit, in ms; default a minute. For tests, which have no time to spend in one. */
  readonly rateWindowMs?: number | undefined
  /** How full the memory is; default: this process's. For tests, which cannot fill it. */
  readonly readMemory?: (() => MemoryReading) | undefined
}

/** The app, ready to listen. Its database is migrated; closing it ends streams first, then resources. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { config, databaseUrl, keys, logger, httpLimits, rateWindowMs, readMemory, workerChannel } = options
  // The one reason to name a direct connection is that the other goes through a pooler.
  const pooled = config.LISTEN_DATABASE_URL !== undefined
  const app = Fastify({
    logger: logger ?? false,
    genReqId: requestId,
    trustProxy: trustedProxies(config),
    ...serverOptions({ ...HTTP_LIMITS, ...httpLimits }),
    // Of what a plugin does when the app starts or closes. The draining of streams is such a thing: cut off by the 10 s
    // that Fastify allows, closing would fail.
    pluginTimeout: config.DRAIN_MS + PLUGIN_TIMEOUT_MS,
    clientErrorHandler(error, socket) {
      const reqId = randomUUID()
      app.log.debug({ reqId, err: error }, 'no request')
      answerClientError(error, socket, reqId)
    },
    // While draining, streams are refused softly: Fastify's own 503 would stop an EventSource for good.
    return503OnClosing: false,
    // A path that cannot be decoded, or a part of it that is too long, is refused before any route is found.
    frameworkErrors: (error, request, reply) => request.server.errorHandler(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>()

  await app.register(headers)
  await app.register(problems)
  await app.register(validation)
  await app.register(streamParameters)
  await app.register(openapi)
  await app.register(cors, { origins: config.CORS_ORIGINS })
  await app.register(database, { url: databaseUrl, max: config.DATABASE_POOL, pooled })
  await app.register(rateLimit, {
    max: config.RATE_LIMIT_MAX,
    addressMax: config.RATE_LIMIT_ADDRESS_MAX,
    database: app.database,
    windowMs: rateWindowMs,
  })
  await app.register(apiKeys)
  await app.register(streamTickets)
  await app.register(failedAuthentications, { claims: claimRules(config) })
  await app.register(auth, {
    keys,
    claims: claimRules(config),
    queryToken: config.QUERY_TOKEN === 'on',
    principalOfKey: (...given) => app.apiKeys.principalOf(...given),
    principalOfTicket: app.takeTicket,
    onRefusal: app.noteRefusal,
    assertNotRevoked: principal => app.guard.assertNotRevoked(principal),
  })
  await app.register(bodies)
  await app.register(audit)
  await app.register(bus, { url: busUrl(config, databaseUrl) })
  await app.register(hub, {
    databaseUrl,
    pooled,
    heartbeatMs: config.HEARTBEAT_MS,
    maxAgeMs: config.MAX_STREAM_AGE * 1_000,
    maxStreams: () => Math.min(config.MAX_STREAMS, app.descriptors.room.streams),
    drainMs: config.DRAIN_MS,
  })
  await app.register(access)
  await app.register(maintenance)
  await app.register(memory, {
    processes: config.WORKERS === 'auto' ? availableParallelism() : config.WORKERS,
    answerTimeoutMs: httpLimits?.answerTimeout ?? HTTP_LIMITS.answerTimeout,
    read: readMemory,
  })
  await app.register(jobs)
  await app.register(retention, {
    days: { feed: config.RETENTION_DAYS, ...ACCESS_KEPT_DAYS },
    jobDays: config.JOB_RETENTION_DAYS,
    maxStoredStreams: config.MAX_STORED_STREAMS_PER_WORKSPACE,
  })
  await app.register(sse)
  await app.register(connections, {
    maxStreams: config.MAX_STREAMS,
    outgoing: config.DATABASE_POOL + OTHER_DATABASE_CONNECTIONS,
  })
  await app.register(streamSlots, { caps: streamCaps(config) })
  await app.register(follow)
  await app.register(eventPages)

  app.decorate('items', new Items({ database: app.database, onCommitted: app.wake }))

  const links = artifactLinks(config, keys)

  await app.register(console)
  await app.register(healthRoutes, { workerChannel })
  await app.register(serverStateRoutes, { operatorWorkspace: config.OPERATOR_WORKSPACE })
  await app.register(keyRoutes)
  await app.register(revocationRoutes)
  await app.register(auditRoutes)
  await app.register(feedRoutes)
  await app.register(streamTicketRoutes)
  await app.register(streamRenewalRoutes)
  await app.register(eventRoutes)
  await app.register(itemRoutes, { items: app.items })
  await app.register(jobRoutes)
  await app.register(jobReportRoutes)
  await app.register(jobEventRoutes)
  await app.register(runnerJobRoutes)
  await app.register(runRoutes, { links })
  await app.register(artifactRoutes, { folder: config.ARTIFACTS_DIR, links })
  await app.register(projectRoutes)
  await app.register(executionRoutes)
  return app
}

function trustedProxies({ TRUSTED_PROXIES }: Config): string[] | false {
  const proxies = parseProxies(TRUSTED_PROXIES)
  return proxies.length > 0 && proxies
}

function streamCaps(config: Config): StreamCaps {
  return {
    principal: config.MAX_STREAMS_PER_PRINCIPAL,
    workspace: config.MAX_STREAMS_PER_WORKSPACE,
    address: config.MAX_STREAMS_PER_ADDRESS,
  }
}

function claimRules(config: Config) {
  return {
    workspaceClaim: config.JWT_WORKSPACE_CLAIM,
    roleClaim: config.JWT_ROLE_CLAIM,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
  }
}

/** Undefined where no artifacts are served. */
function artifactLinks(config: Config, keys: Keys): ArtifactLinks | undefined {
  const secret = config.ARTIFACTS_SECRET ?? (keys.kind === 'secret' ? keys.secret : undefined)
  return config.ARTIFACTS_DIR === undefined || secret === undefined ? undefined : new ArtifactLinks(secret)
}

function busUrl(config: Config, databaseUrl: string): string | undefined {
  if (config.BUS === 'memory' || config.BUS_NOTIFY === 'off') return undefined
  return config.LISTEN_DATABASE_URL ?? databaseUrl
}
