/**
 * The one place that turns errors into responses. What a caller may know is a Problem; whatever else was thrown is
 * logged with the request id and answered without its text.
 */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { databaseFault, databaseMember, faultNameOf, faultProblem } from '../src/database/database-fault.js'
import { METHODS } from '../src/http/client-error.js'
import { Problem, unavailable } from '../src/problems/problem.js'
import { PROBLEM_MEDIA_TYPE, problemDocument } from '../src/problems/problem-document.js'
import { shortageIn } from '../src/process/shortage.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import { type Encoding, sse } from '../src/sse/encoding.js'
import { retryMs } from '../src/sse/retry.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Why a request is refused whose path or method leads nowhere: 404, or 405 with `Allow`, which is set. */
    refusePath(request: FastifyRequest, reply: FastifyReply): Problem
  }
}

/** Fastify's own refusals, by its codes. */
const REFUSALS: Readonly<Record<string, readonly [status: number, code: string, detail: string]>> = {
  FST_ERR_BAD_URL: [400, 'bad-url', 'The path is not percent-encoded UTF-8.'],
  FST_ERR_MAX_PARAM_LENGTH: [414, 'path-too-long', 'A part of the path is too long.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    415,
    'unsupported-media-type',
    'This route does not take a body of this type. Send Content-Type: application/json.',
  ],
}

/** What passes: a stream that is refused for it may come back. */
const SOFTLY: Readonly<Record<string, 'database' | 'limit'>> = {
  contention: 'database',
  'database-unavailable': 'database',
  'rate-limited': 'limit',
  'resources-short': 'limit',
}

export default fp(
  async app => {
    app.setErrorHandler((error, request, reply) => {
      const problem = problemOf(error)
      if (problem.status === 500) request.log.error({ err: error }, 'request failed')
      else if (problem.status > 500) {
        // A refusal of our own, such as maintenance, has no cause and needs no stack.
        const fields =
          problem === error && problem.cause === undefined ? { code: problem.code } : { err: error }
        const level = databaseFault(error)?.level ?? 'warn'
        request.log[level](fields, 'request could not be served')
      }
      const reason = SOFTLY[problem.code]
      const encoding = reason === undefined ? undefined : encodingFor(request)
      if (!reason || !encoding) return answer(problem, request, reply)
      return sendAway(reply, encoding, { reason, ...databaseMember(faultNameOf(problem)) })
    })

    app.decorate('refusePath', (request, reply) => {
      const { method, url } = request
      const allowed = request.is404
        ? METHODS.filter(candidate => app.findRoute({ method: candidate, url }) !== null)
        : []
      const elsewhere = allowed.length > 0 && !allowed.some(candidate => candidate === method)
      if (!elsewhere) return new Problem(404, 'not-found', 'There is nothing at this path.')
      reply.header('allow', allowed.join(', '))
      const detail = `This path does not take ${method}, but ${allowed.join(', ')}.`
      return new Problem(405, 'method-not-allowed', detail)
    })
    app.setNotFoundHandler((request, reply) => answer(app.refusePath(request, reply), request, reply))
  },
  { name: 'problems' },
)

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { code, statusCode } =
    error instanceof Error ? (error as Error & { code?: unknown; statusCode?: unknown }) : {}
  const refusal = typeof code === 'string' ? REFUSALS[code] : undefined
  if (refusal) return new Problem(...refusal)
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Problem(statusCode, 'invalid-request', `${STATUS_CODES[statusCode] ?? 'Refused'}.`)
  }
  const short = shortageIn(error)
  if (short !== undefined) {
    return unavailable('resources-short', `This server is short of ${short}. Try again.`, 5, error)
  }
  const fault = databaseFault(error)
  if (fault) return faultProblem(fault.name, error)
  return new Problem(500, 'internal', 'Something went wrong here. The request id finds it in our log.')
}

/** Of the stream that a browser's EventSource asked for, or a client that asks as one does. */
function encodingFor(request: FastifyRequest): Encoding | undefined {
  if (request.method !== 'GET' || !request.headers.accept?.includes(sse.contentType)) return undefined
  return request.routeOptions.config.stream?.(request)
}

/** What it brought could not be looked up, or not now. Any status but 200 would end an EventSource for good. */
function sendAway(
  reply: FastifyReply,
  encoding: Encoding,
  data: { reason: 'database' | 'limit' },
): FastifyReply {
  const id = echoOfBroughtId(reply.request)
  const notice = encoding.notice({ name: 'unavailable', data, ...(id !== undefined && { id }) })
  return reply
    .code(200)
    .headers({ 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' })
    .type(encoding.contentType)
    .send(`${encoding.retry(retryMs())}${notice}`)
}

/** Sent as text: a route's own response schemas must not filter the document. */
function answer(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { retry_after } = problem.members
  if (retry_after !== undefined) reply.header('retry-after', retry_after)
  // Fastify closes the connection when a body is refused. A client that is still sending would be cut off before it has read
  // that it may try again; so the rest of its body is dropped instead.
  if (problem.status === 503) reply.removeHeader('connection')
  return (
    reply
      .code(problem.status)
      // The last two for a path that cannot be read: no hook runs for it.
      .headers({
        'cache-control': 'no-store',
        'x-request-id': request.id,
        'x-content-type-options': 'nosniff',
      })
      .type(PROBLEM_MEDIA_TYPE)
      .send(JSON.stringify(problemDocument(problem, request.id)))
  )
}
