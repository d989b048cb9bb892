/** Records failed authentications in the audit log. No request waits for it. */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { FailedAuthentications } from '../src/audit/failed-authentications.js'
import type { Credentials } from '../src/auth/credentials.js'
import { isFailedAuthentication, refusedCallerOf } from '../src/auth/refused-caller.js'
import type { ClaimRules } from '../src/auth/tokens/token.js'
import type { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** @param credentials the refused credentials; undefined if none could be taken from the request. */
    noteRefusal(request: FastifyRequest, problem: Problem, credentials: Credentials | undefined): void
  }
}

export interface FailedAuthenticationsOptions {
  readonly claims: ClaimRules
}

export default fp<FailedAuthenticationsOptions>(
  async (app, { claims }) => {
    const { database, log: logger, apiKeys } = app
    const failed = new FailedAuthentications({ database, logger })

    app.decorate('noteRefusal', (request, problem, credentials) => {
      if (isFailedAuthentication(problem)) void note(request, problem.code, credentials)
    })
    app.addHook('onReady', async () => failed.start())
    app.addHook('onClose', () => failed.close())

    async function note(request: FastifyRequest, code: string, credentials: Credentials | undefined) {
      const { id: requestId, ip = null, method, network: origin, routeOptions } = request
      const caller = await refusedCallerOf(credentials, code, { claims, apiKeys })
      const credential = credentials?.kind ?? null
      failed.note({
        workspace: caller.workspace,
        principal: caller.principal,
        address: ip,
        requestId,
        origin,
        details: { code, credential, route: `${method} ${routeOptions.url}`, ...caller.details },
      })
    }
  },
  { name: 'failed-authentications', dependencies: ['database', 'api-keys', 'request-caller'] },
)
