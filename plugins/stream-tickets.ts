/** Stream tickets: the routes that accept them, and the look-up of a request's ticket. */
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { allows, type Principal } from '../src/auth/principal.js'
import { roleTooLow, ticketInvalid } from '../src/auth/refusals.js'
import { browserOf } from '../src/auth/tickets/browser.js'
import { pathnameOf, routeAt, type StreamRoute, withTicket } from '../src/auth/tickets/stream-path.js'
import { StreamTickets, type Ticket } from '../src/auth/tickets/stream-tickets.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Issues a ticket for a stream's path; `url` is the path with the ticket. Throws a Problem if no stream has that path. */
    issueTicket(principal: Principal, path: string): Promise<Ticket & { readonly url: string }>
    /**
     * Uses up the request's ticket, binds it to the request's browser, and returns its principal. Throws a Problem if
     * the ticket is not valid.
     * @param address the client's address, undefined if it cannot be trusted.
     */
    takeTicket(ticket: string, reply: FastifyReply, address: string | undefined): Promise<Principal>
  }
  interface FastifyReply {
    /** Sets the browser's cookie if it has none, and returns its secret. */
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
      // A HEAD opens nothing: a program that previews a link must not use up the ticket.
      if (method !== 'GET') throw ticketInvalid()
      // Set before the ticket is used up: if this response or the database fails, a browser that has received the head
      // can still reconnect.
      const browser = reply.knowBrowser()
      return await tickets.take(ticket, url.split(/[?#]/, 1)[0] ?? '', browser, address)
    })
  },
  { name: 'stream-tickets', dependencies: ['database', 'request-caller'] },
)
