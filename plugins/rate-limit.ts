/**
 * How many requests a minute one caller gets, in all processes together (src/limits/shared-limit.ts). Callers are
 * principals. An address has a smaller budget of its own, for what it sends
 * without a principal: to public routes, to paths that do not exist, and with credentials that prove nothing.
 *
 * So somebody who guesses tokens or keys spends the budget of the address, and when it is spent every further guess is
 * answered without looking anything up; principals behind the same address (NAT) go on.
 */
import { isIP } from 'node:net'
import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../src/database/pool.js'
import { exchangeBy } from '../src/limits/rate-windows.js'
import { SharedLimit, type Spending } from '../src/limits/shared-limit.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The address of the client as limits count it: of IPv6 the /64 network, which one customer holds whole. */
    readonly network: string
  }
  interface FastifyInstance {
    /**
     * Spends one request of the caller's budget; false when nothing was left. Stream routes (`config.stream`) ask by
     * themselves: they can refuse softly, whereas a 429 stops a browser's EventSource for good.
     */
    streamBudget(request: FastifyRequest): Promise<boolean>
    /**
     * The same for whoever can be refused, with the headers that tell what is left.
     * @throws {Problem} 429 `rate-limited` when nothing was left.
     */
    spendBudget(request: FastifyRequest, reply: FastifyReply): Promise<void>
    /**
     * To be asked before credentials are looked up that may prove nothing. Spends nothing.
     * @throws {Problem} 429 `rate-limited` when the address has nothing left.
     */
    assertMayFail(request: FastifyRequest, reply: FastifyReply): void
  }
}

export interface RateLimitOptions {
  /** Requests a minute of a principal; 0 switches all of it off. */
  readonly max: number
  /** Requests a minute of an address, of those without a principal; 0: as many as it likes. */
  readonly addressMax: number
  /** Where the processes count together; without it this one counts alone. */
  readonly database?: Database | undefined
  /** What a minute is, in ms. Default 60,000; tests take longer ones, so that none ends while they count. */
  readonly windowMs?: number | undefined
}

const MINUTE_MS = 60_000
/** Principals, and addresses, whose budget is remembered; about 400 bytes each. */
const REMEMBERED = 50_000
/** Asked by load balancers, often and from one address. */
const PROBES: ReadonlySet<string | undefined> = new Set(['/health', '/ready'])

export default fp<RateLimitOptions>(
  async (app, { max, addressMax, database, windowMs = MINUTE_MS }) => {
    app.decorateRequest('network', {
      getter() {
        return networkOf(this.ip)
      },
    })
    if (max === 0) {
      app.decorate('streamBudget', async () => true)
      app.decorate('spendBudget', async () => {})
      app.decorate('assertMayFail', () => {})
      return
    }

    const exchange = database && exchangeBy(database, windowMs)
    const limitOf = (max: number) =>
      new SharedLimit({ max, windowMs, remembered: REMEMBERED, exchange, logger: app.log })
    const principals = limitOf(max)
    const addresses = addressMax > 0 ? limitOf(addressMax) : undefined
    app.addHook('onClose', async () => {
      await Promise.all([principals.close(), addresses?.close()])
    })

    await app.register(rateLimit, {
      global: false,
      store: storeOf(principals),
      max,
      keyGenerator: principalOf,
    })
    const ofPrincipal = app.createRateLimit()
    const ofAddress =
      addresses &&
      app.createRateLimit({
        store: storeOf(addresses),
        max: addressMax,
        keyGenerator: ({ network }) => network,
      })

    const spend = async (request: FastifyRequest): Promise<Spending | undefined> => {
      const budget = await (request.caller ? ofPrincipal : ofAddress)?.(request)
      if (!budget || budget.isAllowed) return undefined
      return { allowed: !budget.isExceeded, remaining: budget.remaining, resetMs: budget.ttl }
    }
    const answer = (request: FastifyRequest, reply: FastifyReply, spending: Spending | undefined): void => {
      if (!spending) return
      const limit = request.caller ? max : addressMax
      const seconds = Math.ceil(spending.resetMs / 1_000)
      reply.headers({
        'ratelimit-limit': limit,
        'ratelimit-remaining': spending.remaining,
        'ratelimit-reset': seconds,
      })
      if (!spending.allowed) throw rateLimited(limit, seconds, request.caller !== undefined)
    }

    app.decorate('streamBudget', async request => (await spend(request))?.allowed ?? true)
    app.decorate('spendBudget', async (request, reply) => answer(request, reply, await spend(request)))
    app.decorate('assertMayFail', (request, reply) =>
      answer(request, reply, addresses?.refusal(request.network)),
    )

    // Before authentication, which has nothing to do for these.
    app.addHook('onRequest', async (request, reply) => {
      const { url, config } = request.routeOptions
      if ((config.access !== 'public' && !request.is404) || config.stream || PROBES.has(url)) return
      await app.spendBudget(request, reply)
    })
    // After it, and before the body is read.
    app.addHook('preParsing', async (request, reply) => {
      if (request.caller && !request.routeOptions.config.stream) await app.spendBudget(request, reply)
    })
  },
  { name: 'rate-limit', dependencies: ['problems'] },
)

/** No workspace has a space in its name, and no address has one: keys of principals and addresses cannot meet. */
function principalOf({ caller }: FastifyRequest): string {
  return `${caller?.workspace} ${caller?.id}`
}

/** A client that has gone has no address any more, and what a proxy writes need not be one. */
function networkOf(ip: string | undefined): string {
  return ip !== undefined && isIP(ip) ? rateLimit.normalizeIP(ip) : 'unknown'
}

/** @fastify/rate-limit counts by what we give it. Its own store knows this process only. */
function storeOf(limit: SharedLimit): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    incr: FastifyRateLimitStore['incr'] = (key, callback) => {
      const { allowed, remaining, resetMs } = limit.spend(key)
      callback(null, { current: allowed ? limit.max - remaining : limit.max + 1, ttl: resetMs })
    }

    /** For another limit, with the store that was given for it. */
    child: FastifyRateLimitStore['child'] = options => {
      const { store: Other } = options as { store?: FastifyRateLimitStoreCtor }
      return Other ? new Other({}) : this
    }
  }
}

function rateLimited(max: number, seconds: number, known: boolean): Problem {
  const detail = known
    ? `You may send ${max} requests a minute. Go on in ${seconds} s.`
    : `Without valid credentials your address may send ${max} requests a minute. Go on in ${seconds} s.`
  return new Problem(429, 'rate-limited', detail, { retry_after: seconds })
}
