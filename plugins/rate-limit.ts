/**
 * How many requests a minute one caller gets, in this process. Callers are principals; where nobody is known,
 * addresses (IPv6 by /64, which one customer holds whole).
 */
import rateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Problem } from '../src/errors.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Spends one request of the caller's budget; false when nothing was left. Stream routes (`config.stream`) ask by
     * themselves: they can refuse softly, whereas a 429 stops a browser's EventSource for good.
     */
    streamBudget(request: FastifyRequest): Promise<boolean>
  }
}

export interface RateLimitOptions {
  /** Requests a minute; 0 switches the limit off. */
  readonly max: number
}

const WINDOW_MS = 60_000
/** Callers whose budget is remembered; about 200 bytes each. */
const REMEMBERED_CALLERS = 50_000
/** Asked by load balancers, often and from one address. */
const PROBES: ReadonlySet<string | undefined> = new Set(['/health', '/ready'])

export default fp<RateLimitOptions>(
  async (app, { max }) => {
    if (max === 0) {
      app.decorate('streamBudget', async () => true)
      return
    }
    await app.register(rateLimit, {
      global: false,
      max,
      timeWindow: WINDOW_MS,
      cache: REMEMBERED_CALLERS,
      keyGenerator: callerOf,
    })
    const spend = app.createRateLimit()

    app.decorate('streamBudget', async request => {
      const budget = await spend(request)
      return budget.isAllowed || !budget.isExceeded
    })

    app.addHook('onRequest', async (request, reply) => {
      const { url, config } = request.routeOptions
      if (config.stream || PROBES.has(url)) return
      const budget = await spend(request)
      if (budget.isAllowed) return
      reply.headers({
        'ratelimit-limit': budget.max,
        'ratelimit-remaining': budget.remaining,
        'ratelimit-reset': budget.ttlInSeconds,
      })
      if (budget.isExceeded) throw rateLimited(max, budget.ttlInSeconds)
    })
  },
  { name: 'rate-limit', dependencies: ['auth'] },
)

/** The two kinds of keys cannot meet: no workspace has a space in its name. */
function callerOf({ caller, ip }: FastifyRequest): string {
  return caller ? `${caller.workspace} ${caller.id}` : rateLimit.normalizeIP(ip)
}

function rateLimited(max: number, seconds: number): Problem {
  const detail = `You may send ${max} requests a minute. Go on in ${seconds} s.`
  return new Problem(429, 'rate-limited', detail, { retryAfter: seconds })
}
