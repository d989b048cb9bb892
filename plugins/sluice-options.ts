/** The options of the plugin. Those that have a variable in docs/configuration.md are read through the same schema. */
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import type pg from 'pg'
import type { Authorize } from '../src/auth/grants/decision.js'
import type { HostPrincipal } from '../src/auth/host-principal.js'
import type { Role } from '../src/auth/principal.js'
import type { ClientQuestion, ClientReport } from '../src/clients/client-report.js'
import type { ConfigOptions } from '../src/config/options.js'
import type { MemoryReading } from '../src/limits/process-memory.js'
import type { RecentSample } from '../src/metrics/recent-metrics.js'
import type { ClientCounts } from '../src/process/worker-message.js'
import type { SluiceBusOptions } from './bus-options.js'
import type { LimitOptions } from './limit-options.js'

export interface Parts {
  /** `/api/items`: items and revisions. */
  readonly items?: boolean
  /** `/api/jobs` and `/runner-jobs`: the queue, and the sweep of expired leases. The next three parts need it. */
  readonly jobs?: boolean
  /** `/api/v1/runs` and `/api/v1/artifacts`. */
  readonly runs?: boolean
  /** `/api/executions`. */
  readonly executions?: boolean
  /** `/projects`: commands for runners. */
  readonly commands?: boolean
  /** `/api/keys`: API keys. Default false with `authenticate`, which replaces them. */
  readonly keys?: boolean
  /** `/api/audit`: reading the audit log. It is written in any case. */
  readonly audit?: boolean
  /** `/docs`: the API's description as a page, and `/guide`: the documentation. `/openapi.json` is always there. */
  readonly docs?: boolean
  /** The page at `/`. Default false with `authenticate`: the page sends a token. */
  readonly console?: boolean
}

/** For Sluice's own tests: another clock, other memory readings, and access to internals. May change in any release. */
export interface Internals {
  readonly answerTimeoutMs?: number | undefined
  readonly rateWindowMs?: number | undefined
  readonly readMemory?: (() => MemoryReading) | undefined
  readonly guideFolder?: string | undefined
  /** The counts of the process's watchdog. */
  readonly watchdog?: { readonly blocks: number; readonly blockedMs: number } | undefined
  /** The pauses between the tries of a webhook's event, in milliseconds. */
  readonly webhookPausesMs?: readonly number[] | undefined
  /** The duration of a lease of a webhook, the time limit of its requests, and the first pause of a circuit breaker, in milliseconds. */
  readonly webhookLeaseMs?: number | undefined
  readonly webhookTimeoutMs?: number | undefined
  readonly webhookBreakerMs?: number | undefined
  readonly onGateway?: ((app: FastifyInstance) => void) | undefined
}

export interface SluiceOptions extends Omit<ConfigOptions, 'bus'>, SluiceBusOptions, LimitOptions {
  /** Path under which everything is served, such as `/live`. Without it the plugin takes over the server, including its 404. */
  readonly prefix?: string
  /** Name of the decoration with which the application gets the plugin's functions. Default `sluice`: `app.sluice`. */
  readonly name?: string
  /** Which parts of the API are served. Default: all. */
  readonly parts?: Parts
  /** Whether the database is migrated before the plugin is ready. Default true; set it to false if a deploy step does that. */
  readonly migrate?: boolean
  /** Logger of the plugin and its requests. Default: the application's `app.log`. */
  readonly logger?: FastifyBaseLogger
  /**
   * Authenticates a request in place of JWTs and API keys. To refuse the request, return `undefined` or `null`, or throw an
   * error whose `statusCode` is 401 or 403. The role and the workspace of the principal decide what it may reach; its
   * streams end at `expiresAt`.
   */
  readonly authenticate?: (request: FastifyRequest) => Promise<HostPrincipal | null | undefined>
  /**
   * Decides at run time whether a principal may `subscribe` to a stream or `publish` to it, beside its role and its grants, which must all
   * agree. Return true or false, or `{ allowed, types, valid_for }`: `types` are names and prefixes that end in `*` (default: all), and
   * `valid_for` is for how many seconds the answer holds (default 60, at most 300). If it throws, nothing new is allowed.
   */
  readonly authorize?: Authorize
  /** Whether the server serves only this plugin, which then also limits and ends the connections. Default false. */
  readonly ownsServer?: boolean
  /** Processes that share the memory of this machine or container, this one included. Default 1. */
  readonly processes?: number
  /**
   * Whether this process is a node of the cluster: it keeps a row with a heartbeat in `sluice.nodes`, so the others count its
   * clients, and it counts theirs. Default true. With false, its counts are those of its own process, and it polls for events of
   * others every 500 ms, because they may send it no NOTIFY.
   */
  readonly clusterMember?: boolean
  /** Counts the open streams of several processes behind one port, for `/ready`. Default: those of this process. */
  readonly countClients?: () => Promise<{ readonly workers: number; readonly clients: ClientCounts }>
  /** The metrics of the same processes, for `/metrics`, in the text format of Prometheus. Default: those of this process. */
  readonly collectMetrics?: () => Promise<string>
  /** The samples of the same processes, for the overview of the console. Default: those of this process. */
  readonly collectRecentMetrics?: () => Promise<readonly RecentSample[]>
  /** The clients of the same processes, for `/api/clients` and `/api/explain`. Default: those of this process. */
  readonly collectClients?: (question: ClientQuestion) => Promise<readonly ClientReport[]>

  /** @internal */
  readonly internals?: Internals

  /** The database, as `postgres://…`. Exactly one of `databaseUrl` and `pool` is required. */
  readonly databaseUrl?: string | undefined
  /**
   * Your own pool, in place of `databaseUrl`. All queries then use its connections, up to `databasePool` and 6 more at a time;
   * a query outside a transaction takes two more round trips. Sluice never ends the pool. LISTEN needs a connection of its
   * own: give `listenDatabaseUrl`, or events of other processes arrive by polling, every 500 ms.
   */
  readonly pool?: pg.Pool
  /**
   * Direct connection for LISTEN/NOTIFY. Give it with `pool`, or if `databaseUrl` goes through a pooler; otherwise events of
   * other processes arrive by polling.
   */
  readonly listenDatabaseUrl?: string | undefined
  /**
   * A streaming replica of the database, which is read for clients that catch up: 4 more connections. Whatever it does not have is
   * read from the primary.
   */
  readonly readDatabaseUrl?: string | undefined
  /** Database connections for requests and publishing. The log, the bus and the probes use up to 8 more. Default 10. */
  readonly databasePool?: number | undefined

  /** Key that verifies HS256 tokens, at least 32 characters. One of the three keys is required, unless `authenticate` is given. */
  readonly jwtSecret?: string | undefined
  /** Public key (PEM) that verifies RS256, ES256 or EdDSA tokens. */
  readonly jwtPublicKey?: string | undefined
  /** Second key that verifies HS256 tokens, while the secret is being changed. It signs nothing. */
  readonly jwtSecretPrevious?: string | undefined
  /** Second public key (PEM) that verifies tokens, while the key pair is being changed. */
  readonly jwtPublicKeyPrevious?: string | undefined
  /** URL of the issuer's key set. A URL without a path means `/.well-known/jwks.json` on that host. */
  readonly jwksUrl?: string | undefined
  /** Required value of the claim `iss`. Unset, the claim is not checked. */
  readonly jwtIssuer?: string | undefined
  /** Required value of the claim `aud`. Unset, the claim is not checked. */
  readonly jwtAudience?: string | undefined
  /**
   * The claim that holds the workspace: a name; a path such as `app.tenant`; or a JSON array of names, as text. A text with `:`
   * or `/`, such as a URL, is one name. Default `workspace`.
   */
  readonly jwtWorkspaceClaim?: string | undefined
  /** The claim that holds the role, or an array of roles, of which the highest counts. Written like the former. Default `role`. */
  readonly jwtRoleClaim?: string | undefined
  /** Roles of the role names of another system, such as `{ owner: 'admin' }`. Own names keep their meaning unless they are mapped. */
  readonly jwtRoleMap?: Readonly<Record<string, Role>> | undefined
  /** Role of tokens whose role is missing or has no entry in the map. Unset, they are refused. */
  readonly jwtDefaultRole?: Role | undefined
  /** URL of your service that decides at run time, as `authorize` does. Unset, roles and grants decide alone. */
  readonly authorizeUrl?: string | undefined
  /** Token that is sent to it as `Authorization: Bearer`, so that it knows the gateway: at least 32 characters. */
  readonly authorizeToken?: string | undefined
  /** Workspace whose admins alone may switch maintenance, which affects all workspaces. Unset, every admin may. */
  readonly operatorWorkspace?: string | undefined
  /**
   * Name of a cookie that stream routes accept as a credential, from pages of the same origin. Its value is a token or an API key.
   * Unset, no cookie is accepted.
   */
  readonly authCookie?: string | undefined
  /** Whether stream routes accept a token as `?token=`. URLs leak into histories and logs. Default true. */
  readonly queryToken?: boolean | undefined

  /** Directory of the files that jobs leave behind, with one folder per workspace. Unset, no artifact is served. */
  readonly artifactsDir?: string | undefined
  /** Key that signs links to artifacts, at least 32 characters. Unset, it is derived from `jwtSecret`. */
  readonly artifactsSecret?: string | undefined

  /** Exact browser origins that may call the gateway. Default none: only its own origin. */
  readonly corsOrigins?: readonly string[] | undefined

  /**
   * Beginning of the `source` of events that were not published as CloudEvents, before `/workspace/stream`: a URI. Unset, the source
   * is only that path.
   */
  readonly cloudeventsSource?: string | undefined

  /** Milliseconds between heartbeats on a stream. Must be shorter than every proxy's read timeout. Default 30000. */
  readonly heartbeatMs?: number | undefined
  /** Seconds after which a stream is ended, ± 10 %; the client resumes. Streams of jobs are exempt. 0 = never. Default 3600. */
  readonly maxStreamAge?: number | undefined
  /**
   * Seconds that a job waits for a runner; then it ends as `interrupted`. Set the same value on every gateway. 0 = forever. Default
   * 86400.
   */
  readonly maxQueueAge?: number | undefined
  /**
   * `declared` refuses commands in projects that no admin has declared. `open` lets them wait for a runner. Default `open`.
   */
  readonly projects?: 'open' | 'declared' | undefined
  /**
   * Whether a busy stream saves CPU or time. `latency` (default) pauses it between deliveries only while the process has no
   * idle time, for 25 ms at most; `cpu` pauses it after each long delivery, for 75 ms at most, so that more events go out
   * in one write.
   */
  readonly pacing?: 'latency' | 'cpu' | undefined
  /** Path under which streams are served in the form of Durable Streams, or `off`. Default `/v1/stream`. */
  readonly durableStreamsPrefix?: string | undefined
  /** Seconds after which a response of Server-Sent Events in this form is ended, ± 10 %. Default 60. */
  readonly durableStreamsSseAge?: number | undefined
  /** Seconds for which a long poll in this form waits for a message. Default 20. */
  readonly durableStreamsWait?: number | undefined
  /** Days for which events of open-ended streams are kept. A client that returns later gets `reset`. 0 = forever. Default 30. */
  readonly retentionDays?: number | undefined
  /**
   * Age in seconds of the first unacknowledged event from which a consumer lags. 0 = it lags only shortly before retention removes
   * the event. Default 3600.
   */
  readonly consumerLagWarning?: number | undefined
  /** Whether this process sends the events of webhooks. Default true. */
  readonly webhooks?: boolean | undefined
  /**
   * Keys that seal the secrets of webhooks in the database, at least 32 characters each: the first one seals, all open. Unset, the key is
   * derived from `jwtSecret`; without either, webhooks cannot be used.
   */
  readonly webhookSecretKeys?: readonly string[] | undefined
  /** IP addresses or CIDR ranges that webhooks may reach although they are not public; `http://` is allowed there too. Default none. */
  readonly webhookAllowedNetworks?: readonly string[] | undefined
  /** Deliveries of webhooks under way at once. Default 256. */
  readonly webhookConcurrency?: number | undefined
  /** Days for which the attempts of webhooks are kept, of each webhook at most the newest 100,000. 0 = as long as these. Default 7. */
  readonly webhookAttemptDays?: number | undefined
  /** Days for which a job and its events are kept after its end. 0 = forever. Default 7. */
  readonly jobRetentionDays?: number | undefined
  /** Maximum time over which streams are ended when the app closes, in milliseconds. Default 10000. */
  readonly drainMs?: number | undefined
}
