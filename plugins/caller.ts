/**
 * The caller of a request, and what a route declares about callers. plugins/auth.ts authenticates and sets `caller`; limits,
 * budgets and the audit log read it.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Origin } from '../src/audit/audit.js'
import type { Credentials } from '../src/auth/credentials.js'
import type { Principal, Role } from '../src/auth/principal.js'
import { believesAnybody } from '../src/network/client-address.js'
import type { Encoding } from '../src/sse/encoding.js'

export type Access = Role | readonly Role[] | 'public'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role that the route needs, or several roles of which any one suffices; `public`: no credentials. */
    access: Access
    /**
     * The encoding of the stream that a request opens; undefined for a request that opens none. A route with this serves
     * EventSource, which cannot set headers: it accepts `?ticket=`, and `?token=` unless that is switched off. The query
     * has not been validated when this is called.
     */
    stream?: (request: FastifyRequest) => Encoding | undefined
  }
  interface FastifyRequest {
    /** The authenticated caller; undefined on public routes and until authentication has succeeded. */
    caller: Principal | undefined
    /** The authenticated caller, on a route that is not public. Reading it on a public route throws. */
    readonly principal: Principal
    /** The credentials of the request, until they have been verified. */
    credentials: Credentials | undefined
    /** The client's address, for rules that depend on it; undefined if the app trusts every proxy (`trustProxy: true`). */
    readonly believedAddress: string | undefined
    /** The client's address as limits count it: for IPv6 its /64 network, because one customer holds all of it. */
    readonly network: string
    /** The origin of the caller's action, for `recordAudit`, on a route that is not public. */
    readonly auditOrigin: Origin
  }
}

const BELIEVING =
  'trustProxy trusts every X-Forwarded-For header, so API keys with allowed_ips are refused. List the addresses of the proxies.'

export default fp(
  async app => {
    app.decorateRequest('credentials', undefined)
    app.decorateRequest('caller', undefined)
    app.decorateRequest('principal', {
      getter() {
        if (this.caller === undefined)
          throw new Error(`${this.routeOptions.url} is public: it has no authenticated caller.`)
        return this.caller
      },
    })
    app.decorateRequest('auditOrigin', {
      getter() {
        const { workspace, id } = this.principal
        return { workspace, principal: id, address: this.ip, requestId: this.id }
      },
    })
    app.decorateRequest('network', {
      getter() {
        return networkOf(this.ip)
      },
    })

    let believing: boolean | undefined
    app.decorateRequest('believedAddress', {
      getter() {
        if (believing === undefined) {
          believing = believesAnybody(this)
          if (believing) app.log.warn(BELIEVING)
        }
        return believing ? undefined : this.ip
      },
    })
  },
  { name: 'request-caller' },
)

/** A disconnected client no longer has an address, and a proxy may write any text. */
function networkOf(ip: FastifyRequest['ip'] | undefined): string {
  if (ip === undefined) return 'unknown'
  if (isIPv4(ip)) return ip
  return isIPv6(ip) ? normalizeIP(ip) : 'unknown'
}
