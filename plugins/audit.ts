/** Where the act of a request comes from, for the audit log. */
import fp from 'fastify-plugin'
import type { Origin } from '../src/audit/audit.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the caller: for `recordAudit`, on a route that is not public. */
    readonly auditOrigin: Origin
  }
}

export default fp(
  async app => {
    app.decorateRequest('auditOrigin', {
      getter() {
        const { workspace, id } = this.principal
        return { workspace, principal: id, address: this.ip, requestId: this.id }
      },
    })
  },
  { name: 'audit', dependencies: ['auth'] },
)
