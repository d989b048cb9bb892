/** Turns an error into a problem and sends it, even for a request that was refused before it reached a route or plugin. */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { databaseFault, faultProblem } from '../src/database/database-fault.js'
import { Problem, unavailable } from '../src/problems/problem.js'
import { PROBLEM_MEDIA_TYPE, problemDocument } from '../src/problems/problem-document.js'
import { shortageIn } from '../src/process/shortage.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The rest of a body that is too large is dropped, and the connection stays: a client of the route reads the response only then. */
    dropsLargeBodies?: true
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

/** The Problem that the caller may see: a Problem as it is, any other error without its text. */
export function problemOf(error: unknown): Problem {
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
  return new Problem(500, 'internal', 'The gateway failed. Its log has the reason, under the request id.')
}

/** Sent as text: a route's own response schemas must not filter the document. */
export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { retry_after } = problem.members
  if (retry_after !== undefined) reply.header('retry-after', retry_after)
  // Fastify closes the connection when a body is refused. A client that is still sending would be cut off before it has read
  // that it may try again; so the rest of its body is dropped instead.
  const isDropped = problem.status === 413 && request.routeOptions.config.dropsLargeBodies
  if (problem.status === 503 || isDropped) reply.removeHeader('connection')
  return (
    reply
      .code(problem.status)
      // The last two are for a path that cannot be decoded, because no hook runs for it.
      .headers({
        'cache-control': 'no-store',
        'x-request-id': request.id,
        'x-content-type-options': 'nosniff',
      })
      .type(PROBLEM_MEDIA_TYPE)
      .send(JSON.stringify(problemDocument(problem, request.id)))
  )
}

/** Answers any error, as `sendProblem` answers a Problem. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(problemOf(error), request, reply)
}
