/** Stream tickets: for which routes there are any, and whose one is that was brought. */
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { allows, type Principal } from '../src/auth/principal.js'
import { roleTooLow, ticketInvalid } from '../src/auth/refusals.js'
import { browserOf } from '../src/auth/tickets/browser.js'
import { pathnameOf, routeAt, type StreamRoute, withTicket } from '../src/auth/tickets/stream-path.js'
import { StreamTickets, type Ticket } from '../src/auth/tickets/stream-tickets.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** A ticket for a path of a stream, and the path with the ticket in it. Throws a Problem where there is none for it. */
    issueTicket(principal: Principal, path: string): Promise<Ticket & { readonly url: string }>
    /**
     * Whose the ticket of a request is; to its browser it is spent from then on. Throws a Problem when it is not good.
     * @param address of the client, undefined where it cannot be believed.
     */
    takeTicket(ticket: string, reply: FastifyReply, address: string | undefined): Promise<Principal>
  }
  interface FastifyReply {
    /** Has the browser keep the cookie that it is known by, if it has none, and returns what is in it. */
    knowBrowser(): string
  }
}

export default fp(
  async app => {
    const tickets = new StreamTickets(app.database)
    const routes: StreamRoute[] = []

    app.addHook('onRoute', ({ method, url, config }) => {
      if (!config?.stream || config.access === 'public' || ![method].flat().includes('GET')) return
      routes.push({ pattern: url, roles: [config.access].flat() })
    })

    app.decorateReply('knowBrowser', function (this: FastifyReply) {
      const { headers, protocol } = this.request
      const { secret, setCookie } = browserOf(headers.cookie, protocol === 'https', app.prefix)
      if (setCookie !== undefined) this.header('set-cookie', setCookie)
      return secret
    })

    app.decorate('issueTicket', async (principal, path) => {
      const pathname = pathnameOf(path)
      const { roles } = routeAt(pathname, routes)
      if (!allows(principal.role, roles)) throw roleTooLow(principal.role, roles)
      const issued = await tickets.issue(principal, pathname)
      return { ...issued, url: withTicket(path, issued.ticket) }
    })

    app.decorate('takeTicket', async (ticket, reply, address) => {
      const { method, url } = reply.request
      // Nothing follows a HEAD: whoever looks at a link before it is opened must not use it up.
      if (method !== 'GET') throw ticketInvalid()
      // Before the ticket is spent, so that whatever becomes of this answer or of the database, the browser that has
      // heard it can come back.
      const browser = reply.knowBrowser()
      return await tickets.take(ticket, url.split(/[?#]/, 1)[0] ?? '', browser, address)
    })
  },
  { name: 'stream-tickets', dependencies: ['database', 'request-caller'] },
)
