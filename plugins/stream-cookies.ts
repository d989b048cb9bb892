/**
 * Stream cookies: a response that starts a stream can give the browser a cookie that opens this one stream, on its path only. A
 * GET route accepts such a cookie if it declares `config.streamCookie`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Principal } from '../src/auth/principal.js'
import { streamCookieInvalid } from '../src/auth/refusals.js'
import {
  besidePath,
  newStreamSecret,
  removeOldStreamCookies,
  setStreamCookie,
  streamSecret,
} from '../src/auth/tickets/stream-cookie.js'
import { issueBound, StreamTickets } from '../src/auth/tickets/stream-tickets.js'
import type { Queryable } from '../src/database/pool.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * The scope of the stream that a request opens: it names route and stream. A cookie that was given for this scope opens the
     * stream. The query has not been validated when this is called.
     */
    streamCookie?: (request: FastifyRequest) => string | undefined
  }
  interface FastifyInstance {
    /** The principal that the stream cookie of a request stands for; undefined without one. Throws a Problem if it is not valid. */
    principalOfStreamCookie(request: FastifyRequest, reply: FastifyReply): Promise<Principal | undefined>
  }
  interface FastifyReply {
    /**
     * Sets a cookie that opens a stream with the credentials of this request, until these end, for a week at most.
     * @param on the transaction that makes the stream.
     */
    giveStreamCookie(on: Queryable, stream: CookieStream): Promise<void>
  }
}

export interface CookieStream {
  readonly scope: string
  /** The last part of the stream's path, which otherwise equals the path of this request. */
  readonly last: string
  /** The path without the prefix, for a request whose own path no cookie can hold. */
  readonly path: string
}

export default fp(
  async app => {
    const tickets = new StreamTickets(app.database)

    app.decorateReply(
      'giveStreamCookie',
      async function (this: FastifyReply, on: Queryable, stream: CookieStream) {
        const { url, protocol } = this.request
        const principal = app.guard.current(this.request.principal)
        const { scope, last, path } = stream
        const secret = newStreamSecret()
        const maxAgeMs = await issueBound(on, principal, scope, secret)
        const cookie = {
          scope,
          secret,
          maxAgeMs,
          path: besidePath(url, last, `${app.prefix}${path}`),
          secure: protocol === 'https',
        }
        this.header('set-cookie', setStreamCookie(cookie))
      },
    )

    app.decorate('principalOfStreamCookie', async (request: FastifyRequest, reply: FastifyReply) => {
      const scope = request.method === 'GET' ? request.routeOptions.config.streamCookie?.(request) : undefined
      if (scope === undefined) return undefined
      const { cookie } = request.headers
      const path = request.url.split(/[?#]/, 1)[0] ?? ''
      for (const old of removeOldStreamCookies(cookie, {
        scope,
        path,
        secure: request.protocol === 'https',
      })) {
        reply.header('set-cookie', old)
      }
      const secret = streamSecret(cookie, scope)
      if (secret === undefined) return undefined
      request.credentials = { kind: 'ticket', text: secret }
      // Every cookie costs a look-up in the database.
      app.assertMayFail(request, reply)
      return await tickets.take(secret, scope, secret, request.believedAddress).catch((error: unknown) => {
        throw error instanceof Problem && error.status === 401 ? streamCookieInvalid() : error
      })
    })
  },
  { name: 'stream-cookies', dependencies: ['database', 'request-caller', 'rate-limit', 'access'] },
)
