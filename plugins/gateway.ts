/** Assembles the gateway in a context of its own: plugins, then routes, in reading order. Each file explains its own part. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import auditRoutes from '../routes/audit.js'
import clientRoutes from '../routes/clients.js'
import clusterRoutes from '../routes/cluster.js'
import artifactRoutes from '../routes/compat/artifacts.js'
import durableStreamRoutes from '../routes/compat/durable-streams.js'
import durableSubscriptionRoutes from '../routes/compat/durable-subscriptions.js'
import executionRoutes from '../routes/compat/executions.js'
import remoteCommandRoutes from '../routes/compat/projects.js'
import runnerJobRoutes from '../routes/compat/runner-jobs.js'
import runRoutes from '../routes/compat/runs.js'
import consumerEventRoutes from '../routes/consumer-events.js'
import consumerRoutes from '../routes/consumers.js'
import eventPublisherRoutes from '../routes/event-publishers.js'
import eventRoutes from '../routes/events.js'
import explainRoutes from '../routes/explain.js'
import feedRoutes from '../routes/feed.js'
import healthRoutes from '../routes/health.js'
import itemRoutes from '../routes/items.js'
import jobEventRoutes from '../routes/job-events.js'
import jobReportRoutes from '../routes/job-reports.js'
import jobRoutes from '../routes/jobs.js'
import keyRoutes from '../routes/keys.js'
import latestRoutes from '../routes/latest.js'
import metricsRoutes from '../routes/metrics.js'
import principalRoutes from '../routes/principal.js'
import projectRoutes from '../routes/projects.js'
import recentMetricsRoutes from '../routes/recent-metrics.js'
import redactionRoutes from '../routes/redactions.js'
import revocationRoutes from '../routes/revocations.js'
import serverStateRoutes from '../routes/server-state.js'
import streamClientRoutes from '../routes/stream-clients.js'
import streamRenewalRoutes from '../routes/stream-renewals.js'
import streamTicketRoutes from '../routes/stream-tickets.js'
import streamRoutes from '../routes/streams.js'
import usageRoutes from '../routes/usage.js'
import webhookDeliveryRoutes from '../routes/webhook-deliveries.js'
import webhookRoutes from '../routes/webhooks.js'
import workspaceExportRoutes from '../routes/workspace-export.js'
import { principalOfHost } from '../src/auth/host-principal.js'
import { ACCESS_KEPT_DAYS } from '../src/auth/revocations/revocation-stream.js'
import { claimRules } from '../src/auth/tokens/claim-rules.js'
import { HTTP_LIMITS } from '../src/http/http-limits.js'
import { CHANGES_KEPT_DAYS } from '../src/hub/changed-events.js'
import access from './access.js'
import apiKeys from './api-keys.js'
import asyncapi from './asyncapi.js'
import auth from './auth.js'
import bodies from './bodies.js'
import bus from './bus.js'
import caller from './caller.js'
import changedEvents from './changed-events.js'
import cloudevents from './cloudevents.js'
import cluster from './cluster.js'
import connections from './connections.js'
import console from './console.js'
import consumerHolds from './consumer-holds.js'
import consumerMetrics from './consumer-metrics.js'
import consumerStreams from './consumer-streams.js'
import consumers from './consumers.js'
import cors from './cors.js'
import database from './database.js'
import descriptors from './descriptors.js'
import docs from './docs.js'
import durableMetrics from './durable-metrics.js'
import durableStreams from './durable-streams.js'
import eventPages from './event-pages.js'
import failedAuthentications from './failed-authentications.js'
import follow from './follow.js'
import grants from './grants.js'
import guide from './guide.js'
import headers from './headers.js'
import hub from './hub.js'
import items from './items.js'
import jobMetrics from './job-metrics.js'
import jobs from './jobs.js'
import memory from './memory.js'
import metrics from './metrics.js'
import openapi from './openapi.js'
import problems from './problems.js'
import publisher from './publisher.js'
import rateLimit from './rate-limit.js'
import recentMetrics from './recent-metrics.js'
import retention from './retention.js'
import serverState from './server-state.js'
import type { Settings } from './settings.js'
import sse from './sse.js'
import streamCookies from './stream-cookies.js'
import streamParameters from './stream-parameters.js'
import streamSlots from './stream-slots.js'
import streamTickets from './stream-tickets.js'
import tailer from './tailer.js'
import tokens from './tokens.js'
import tracing from './tracing.js'
import usage from './usage.js'
import validation from './validation.js'
import webhooks from './webhooks.js'

export default fp<Settings>(
  async (context, settings) => {
    const app = context.withTypeProvider<TypeBoxTypeProvider>()
    await registerPlugins(app, settings)
    await registerRoutes(app, settings)
  },
  { name: 'gateway' },
)

async function registerPlugins(app: FastifyInstance, settings: Settings): Promise<void> {
  const { config, source, parts, keys, authenticate, durable, internals = {} } = settings
  const claims = claimRules(config)
  await app.register(caller)
  await app.register(tracing)
  await app.register(headers)
  await app.register(problems)
  await app.register(validation)
  await app.register(streamParameters)
  await app.register(openapi, { streamsPage: parts.docs })
  await app.register(asyncapi, { page: parts.docs })
  if (parts.docs) await app.register(docs)
  if (parts.docs) await app.register(guide, { folder: internals.guideFolder })
  await app.register(cors, { origins: config.CORS_ORIGINS })
  await app.register(database, { source, max: config.DATABASE_POOL })
  await app.register(rateLimit, {
    max: config.RATE_LIMIT_MAX,
    addressMax: config.RATE_LIMIT_ADDRESS_MAX,
    database: app.database,
    windowMs: internals.rateWindowMs,
  })
  await app.register(bus, { bus: settings.bus })
  await app.register(tailer, { source, pacing: config.PACING })
  await app.register(descriptors, { maxStreams: config.MAX_STREAMS, outgoing: settings.outgoing })
  await app.register(hub, {
    ...{ source, readSource: settings.readSource },
    heartbeatMs: config.HEARTBEAT_MS,
    maxAgeMs: config.MAX_STREAM_AGE * 1_000,
    maxStreams: config.MAX_STREAMS,
  })
  await app.register(changedEvents)
  await app.register(publisher)
  await app.register(usage, settings)
  await app.register(serverState, { drainMs: settings.drainMs })
  await app.register(apiKeys)
  await app.register(access)
  await app.register(grants, { authorize: settings.decide })
  await app.register(streamTickets)
  await app.register(streamCookies)
  await app.register(failedAuthentications, { claims })
  if (keys) await app.register(tokens, { keys, previous: settings.previousKey, claims })
  await app.register(auth, {
    authenticate: authenticate && (request => principalOfHost(() => authenticate(request))),
    ...(keys && { principalOfToken: app.verifyToken }),
    queryToken: config.QUERY_TOKEN === 'on',
    cookie: config.AUTH_COOKIE,
    principalOfKey: (...given) => app.apiKeys.principalOf(...given),
    principalOfTicket: app.takeTicket,
    principalOfStreamCookie: app.principalOfStreamCookie,
    onRefusal: app.noteRefusal,
    assertNotRevoked: principal => app.guard.assertNotRevoked(principal),
  })
  await app.register(bodies)
  await app.register(memory, {
    processes: settings.processes,
    answerTimeoutMs: internals.answerTimeoutMs ?? HTTP_LIMITS.answerTimeout,
    read: internals.readMemory,
  })
  await app.register(cluster, { member: settings.member })
  await app.register(consumers, {
    warningSeconds: config.CONSUMER_LAG_WARNING,
    retentionDays: config.RETENTION_DAYS,
  })
  if (parts.items) await app.register(items)
  const declaredOnly = config.PROJECTS === 'declared'
  if (parts.jobs) await app.register(jobs, { maxQueueAge: config.MAX_QUEUE_AGE, declaredOnly })
  await app.register(retention, {
    days: { feed: config.RETENTION_DAYS, ...ACCESS_KEPT_DAYS, ...CHANGES_KEPT_DAYS },
    jobDays: config.JOB_RETENTION_DAYS,
    webhookAttemptDays: config.WEBHOOK_ATTEMPT_DAYS,
    sealer: settings.sealer,
    maxStoredStreams: config.MAX_STORED_STREAMS_PER_WORKSPACE,
  })
  await app.register(metrics, { watchdog: internals.watchdog })
  await app.register(recentMetrics)
  if (parts.jobs) await app.register(jobMetrics)
  await app.register(consumerMetrics)
  await app.register(sse)
  if (settings.ownsServer) await app.register(connections)
  await app.register(streamSlots, settings)
  await app.register(cloudevents, { base: config.CLOUDEVENTS_SOURCE })
  await app.register(webhooks, settings)
  await app.register(follow)
  await app.register(eventPages)
  if (durable) await app.register(durableStreams, durable)
  if (durable) await app.register(durableMetrics)
  await app.register(consumerHolds)
  await app.register(consumerStreams)
}

async function registerRoutes(app: FastifyInstance, settings: Settings): Promise<void> {
  const { config, parts, links, durable } = settings
  const { OPERATOR_WORKSPACE: operatorWorkspace } = config
  if (parts.console) await app.register(console)
  await app.register(healthRoutes, settings)
  await app.register(metricsRoutes, { operatorWorkspace, ...settings })
  await app.register(recentMetricsRoutes, { operatorWorkspace, ...settings })
  await app.register(principalRoutes, { operatorWorkspace, parts: { ...parts } })
  await app.register(serverStateRoutes, { operatorWorkspace })
  await app.register(clientRoutes, { operatorWorkspace, ...settings })
  await app.register(clusterRoutes, { operatorWorkspace })
  await app.register(explainRoutes, settings)
  if (parts.keys) await app.register(keyRoutes)
  await app.register(revocationRoutes)
  if (parts.audit) await app.register(auditRoutes)
  await app.register(streamRoutes)
  await app.register(streamClientRoutes)
  await app.register(consumerRoutes)
  await app.register(workspaceExportRoutes)
  await app.register(usageRoutes, { config })
  await app.register(webhookRoutes)
  await app.register(webhookDeliveryRoutes)
  await app.register(feedRoutes)
  await app.register(streamTicketRoutes)
  await app.register(streamRenewalRoutes)
  await app.register(eventRoutes)
  if (durable) await app.register(durableStreamRoutes, durable)
  if (durable) await app.register(durableSubscriptionRoutes, { streams: durable.path })
  await app.register(consumerEventRoutes)
  await app.register(eventPublisherRoutes)
  await app.register(latestRoutes)
  await app.register(redactionRoutes)
  if (parts.items) await app.register(itemRoutes)
  if (parts.jobs) {
    await app.register(jobRoutes)
    await app.register(jobReportRoutes)
    await app.register(jobEventRoutes)
    await app.register(runnerJobRoutes)
  }
  if (parts.runs) {
    await app.register(runRoutes, { links, maxListeners: config.MAX_STREAMS_PER_RUN })
    await app.register(artifactRoutes, { folder: config.ARTIFACTS_DIR, links })
  }
  if (parts.commands) {
    await app.register(projectRoutes)
    await app.register(remoteCommandRoutes)
  }
  if (parts.executions) await app.register(executionRoutes)
}
