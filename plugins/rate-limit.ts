/**
 * The rate limit: requests per minute and caller, across all processes (src/limits/shared-limit.ts). An authenticated caller
 * is charged to its principal. Every other request is charged to the IP address, whose limit is smaller: requests to public
 * routes, to paths that do not exist, and those with invalid credentials.
 *
 * A client that guesses tokens or keys therefore spends the budget of its address. When that is spent, every further guess is
 * refused without a look-up; principals behind the same address (NAT) are not affected.
 */
import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Principal } from '../src/auth/principal.js'
import type { Database } from '../src/database/pool.js'
import { exchangeBy } from '../src/limits/rate-windows.js'
import { SharedLimit, type Spending } from '../src/limits/shared-limit.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Requests to the route are not counted: load balancers probe it often, and from one address. */
    unmetered?: true
  }
  interface FastifyInstance {
    /** How often the rate limit has refused a request or a stream, by whose budget was spent. */
    rateLimitRefusals: Record<'principal' | 'address', number>
    /**
     * Charges one request to the caller; false if its budget is spent. Stream routes (`config.stream`) call this themselves:
     * they refuse inside the stream, because a 429 stops a browser's EventSource for good.
     */
    streamBudget(request: FastifyRequest): Promise<boolean>
    /**
     * Charges one request to the caller and sets the `RateLimit-…` headers.
     * @throws {Problem} 429 `rate-limited` if the budget is spent.
     */
    spendBudget(request: FastifyRequest, reply: FastifyReply): Promise<void>
    /**
     * Call this before looking up credentials that may be invalid. Charges nothing.
     * @throws {Problem} 429 `rate-limited` if the budget of the address is spent.
     */
    assertMayFail(request: FastifyRequest, reply: FastifyReply): void
  }
}

export interface RateLimitOptions {
  /** Requests per minute and principal. 0 switches off every rate limit. */
  readonly max: number
  /** Unauthenticated requests per minute and IP address. 0 = unlimited. */
  readonly addressMax: number
  /** The database in which the processes share their counts; without it this process counts alone. */
  readonly database?: Database | undefined
  /** Length of the window, in ms. Default 60,000; tests use a longer one, which does not end while they count. */
  readonly windowMs?: number | undefined
}

const MINUTE_MS = 60_000
/** How many principals, and how many addresses, have their counts kept; about 400 bytes each. */
const REMEMBERED = 50_000

export default fp<RateLimitOptions>(
  async (app, { max, addressMax, database, windowMs = MINUTE_MS }) => {
    const refusals = { principal: 0, address: 0 }
    app.decorate('rateLimitRefusals', refusals)
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
    // The host may have registered @fastify/rate-limit too. A context below it would inherit the host's decorations, and
    // could not add its own. So ours decorates a separate Fastify instance, which serves nothing.
    const limiter = Fastify()
    await limiter.register(rateLimit, {
      global: false,
      store: storeOf(principals),
      max,
      keyGenerator: ({ caller }) => (caller ? keyOf(caller) : ''),
    })
    const ofPrincipal = limiter.createRateLimit()
    const ofAddress =
      addresses &&
      limiter.createRateLimit({
        store: storeOf(addresses),
        max: addressMax,
        keyGenerator: ({ network }) => network,
      })
    app.addHook('onClose', async () => {
      await Promise.all([principals.close(), addresses?.close(), limiter.close()])
    })

    const spend = async (request: FastifyRequest): Promise<Spending | undefined> => {
      const budget = await (request.caller ? ofPrincipal : ofAddress)?.(request)
      if (!budget || budget.isAllowed) return undefined
      if (budget.isExceeded) refusals[request.caller ? 'principal' : 'address'] += 1
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

    // In onRequest, because these requests never reach authentication.
    app.addHook('onRequest', async (request, reply) => {
      const { config } = request.routeOptions
      if ((config.access !== 'public' && !request.is404) || config.stream || config.unmetered) return
      await app.spendBudget(request, reply)
    })
    // After authentication, and before the body is read.
    app.addHook('preParsing', async (request, reply) => {
      if (request.caller && !request.routeOptions.config.stream) await app.spendBudget(request, reply)
    })
  },
  { name: 'rate-limit', dependencies: ['request-caller'] },
)

/** Neither a workspace nor an address contains a space, so the keys of principals and addresses cannot collide. */
function keyOf({ workspace, id }: Principal): string {
  return `${workspace} ${id}`
}

/** @fastify/rate-limit counts in the store that it is given. Its own store knows one process only. */
function storeOf(limit: SharedLimit): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    incr: FastifyRateLimitStore['incr'] = (key, callback) => {
      const { allowed, remaining, resetMs } = limit.spend(key)
      callback(null, { current: allowed ? limit.max - remaining : limit.max + 1, ttl: resetMs })
    }

    /** The store of another limit: the one that was given for it. */
    child: FastifyRateLimitStore['child'] = options => {
      const { store: Other } = options as { store?: FastifyRateLimitStoreCtor }
      return Other ? new Other({}) : this
    }
  }
}

function rateLimited(max: number, seconds: number, known: boolean): Problem {
  const detail = known
    ? `You may send ${max} requests a minute. Try again in ${seconds} s.`
    : `Without valid credentials your address may send ${max} requests a minute. Try again in ${seconds} s.`
  return new Problem(429, 'rate-limited', detail, { retry_after: seconds })
}
