/**
 * The id of a request: in its log lines, in `X-Request-Id`, in problem documents and in the audit log. A proxy that the server
 * trusts (`trustProxy`) may give it, so that its log and ours name a request alike. Anybody else could use it to confuse
 * the log, and gets an id of ours.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { givenRequestId } from '../src/logging/http-log.js'
import { trustsPeer } from '../src/network/client-address.js'
import { traceparentIn } from '../src/tracing/traceparent.js'

interface RawRequest {
  readonly headers: IncomingHttpHeaders
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined
}

/** `X-Request-Id` of a trusted proxy, else the id of the trace in its `traceparent`, else a random UUID. */
export function requestIdFor(app: FastifyInstance | undefined, { headers, socket }: RawRequest): string {
  const given = givenRequestId(headers['x-request-id']) ?? traceparentIn(headers.traceparent)?.split('-')[1]
  if (given === undefined || app === undefined) return randomUUID()
  const prototype = requestPrototype(app)
  return prototype && trustsPeer(prototype, socket?.remoteAddress) ? given : randomUUID()
}

/** `requestIdFor` as the option `genReqId` of a server, which Fastify calls as a method of the app. */
export function genReqId(this: FastifyInstance | undefined, request: RawRequest): string {
  return requestIdFor(this, request)
}

const prototypes = new WeakMap<FastifyInstance, { readonly ip: string }>()

/**
 * The prototype of all requests of the app; its `ip` knows `trustProxy`, which Fastify shows nowhere else. Undefined if a
 * version of Fastify keeps it elsewhere: then no id of a proxy is taken.
 */
function requestPrototype(app: FastifyInstance): { readonly ip: string } | undefined {
  const known = prototypes.get(app)
  if (known) return known
  for (let at: object | null = app; at !== null; at = Object.getPrototypeOf(at)) {
    const symbol = Object.getOwnPropertySymbols(at).find(
      ({ description }) => description === 'fastify.Request',
    )
    const prototype = symbol && Reflect.get(at, symbol)?.prototype
    if (prototype) {
      prototypes.set(app, prototype)
      return prototype
    }
  }
  return undefined
}
