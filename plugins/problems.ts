/**
 * The error handler and the 404 handler. A Problem is answered as it is; every other error is logged with the request id and
 * answered without its text.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { databaseFault, databaseMember, faultNameOf } from '../src/database/database-fault.js'
import { METHODS } from '../src/http/client-error.js'
import { Problem } from '../src/problems/problem.js'
import { echoOfBroughtId } from '../src/sse/brought-id.js'
import { type Encoding, sse } from '../src/sse/encoding.js'
import { retryMs } from '../src/sse/retry.js'
import { problemOf, sendProblem } from './problem-reply.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The refusal of a request that matches no route: 404, or 405, for which it sets the header `Allow`. */
    refusePath(request: FastifyRequest, reply: FastifyReply): Problem
  }
}

/** Temporary refusals: a stream that gets one of these is asked to reconnect. */
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
      if (problem.status === 500) request.log.error({ req: request, err: error }, 'request failed')
      else if (problem.status > 500) {
        // A refusal of our own, such as maintenance, has no cause and needs no stack.
        const fields =
          problem === error && problem.cause === undefined ? { code: problem.code } : { err: error }
        const level = databaseFault(error)?.level ?? 'warn'
        request.log[level]({ req: request, ...fields }, 'request could not be served')
      }
      const reason = SOFTLY[problem.code]
      const encoding = reason === undefined ? undefined : encodingFor(request)
      if (!reason || !encoding) return sendProblem(problem, request, reply)
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
      const detail = `This path does not accept ${method}. Use ${allowed.join(' or ')}.`
      return new Problem(405, 'method-not-allowed', detail)
    })
    app.setNotFoundHandler((request, reply) => sendProblem(app.refusePath(request, reply), request, reply))
  },
  { name: 'problems', dependencies: ['request-caller'] },
)

/** The encoding of the stream that an EventSource, or a client with the same `Accept`, has requested; else undefined. */
function encodingFor(request: FastifyRequest): Encoding | undefined {
  if (request.method !== 'GET' || !request.headers.accept?.includes(sse.contentType)) return undefined
  return request.routeOptions.config.stream?.(request)
}

/** Asks the client to reconnect, inside a stream: any status but 200 would stop an EventSource for good. */
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
