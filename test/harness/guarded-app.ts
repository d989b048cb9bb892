/** A small app with a few routes behind the plugins that guard routes, registered in the order of the real app. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import Type from 'typebox'
import auth from '../../plugins/auth.js'
import bodies from '../../plugins/bodies.js'
import caller from '../../plugins/caller.js'
import cors from '../../plugins/cors.js'
import docs from '../../plugins/docs.js'
import headers from '../../plugins/headers.js'
import openapi from '../../plugins/openapi.js'
import { answerProblem } from '../../plugins/problem-reply.js'
import problems from '../../plugins/problems.js'
import rateLimit from '../../plugins/rate-limit.js'
import { genReqId } from '../../plugins/request-ids.js'
import tokens from '../../plugins/tokens.js'
import tracing from '../../plugins/tracing.js'
import validation from '../../plugins/validation.js'
import type { Key, Keys } from '../../src/auth/tokens/keys.js'
import type { ClaimRules } from '../../src/auth/tokens/token.js'
import { logOptions } from '../../src/logging/http-log.js'
import { CLAIMS, SECRET } from './tokens.js'

const FORTNIGHT_MS = 14 * 24 * 3_600_000

interface GuardedOptions {
  readonly keys?: Keys
  readonly previous?: Key
  readonly claims?: Partial<ClaimRules>
  readonly queryToken?: boolean
  readonly origins?: string
  readonly rateLimitMax?: number
  /** Default: as `rateLimitMax`. */
  readonly rateLimitAddressMax?: number
  /** Default: so long that it does not end while a test counts requests. */
  readonly rateWindowMs?: number
  readonly routerOptions?: FastifyServerOptions['routerOptions']
  /** Where log lines go; without it nothing is logged. */
  readonly log?: (line: string) => void
}

const SECRET_KEYS: Keys = { kind: 'secret', secret: SECRET, algorithms: ['HS256'] }

const Body = Type.Object(
  {
    name: Type.String(),
    count: Type.Optional(Type.Integer({ minimum: 0 })),
    colour: Type.Optional(Type.Union([Type.Literal('red'), Type.Literal('green')])),
    at: Type.Optional(Type.String({ format: 'date-time' })),
    nested: Type.Optional(Type.Array(Type.Object({ size: Type.Integer() }, { additionalProperties: false }))),
  },
  { additionalProperties: false },
)
const Query = Type.Object(
  { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })), all: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)

/** Closed when `test` is over. Routes may be added until the first request. */
export async function guardedApp(test: Test, options: GuardedOptions = {}) {
  const { log } = options
  const app = Fastify({
    logger: log ? { ...logOptions('info'), stream: { write: log } } : false,
    genReqId,
    trustProxy: '127.0.0.1',
    routerOptions: options.routerOptions ?? {},
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>()
  test.teardown(() => app.close())

  await app.register(caller)
  await app.register(tracing)
  await app.register(headers)
  await app.register(problems)
  await app.register(validation)
  await app.register(openapi)
  await app.register(docs)
  await app.register(cors, { origins: options.origins ?? '' })
  const max = options.rateLimitMax ?? 0
  await app.register(rateLimit, {
    max,
    addressMax: options.rateLimitAddressMax ?? max,
    windowMs: options.rateWindowMs ?? FORTNIGHT_MS,
  })
  const claims = { ...CLAIMS, ...options.claims }
  await app.register(tokens, { keys: options.keys ?? SECRET_KEYS, previous: options.previous, claims })
  await app.register(auth, { principalOfToken: app.verifyToken, queryToken: options.queryToken ?? true })

  await app.register(bodies)

  app.get('/open', { config: { access: 'public' } }, async request => ({
    caller: request.caller?.id ?? null,
  }))
  app.get('/things', { config: { access: 'viewer' }, schema: { querystring: Query } }, async request => ({
    principal: request.principal,
    query: request.query,
  }))
  app.post('/things', { config: { access: 'editor' }, schema: { body: Body } }, async request => request.body)
  app.delete('/things/:id', { config: { access: 'admin' } }, async () => ({ deleted: true }))
  app.get(
    '/stream',
    { config: { access: 'viewer', stream: () => undefined }, schema: { querystring: Query } },
    async request => ({
      principal: request.principal,
      query: request.query,
    }),
  )
  app.get('/health', { config: { access: 'public', unmetered: true } }, async () => ({ status: 'ok' }))
  return app
}
