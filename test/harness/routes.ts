/** Every route of the gateway, hidden ones too, as Fastify reports them while the app is built. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Test } from 'tap'
import type { Role } from '../../src/auth/principal.js'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.js'

export interface Route {
  readonly method: string
  /** As it was declared: `/api/items/:part_number`. */
  readonly url: string
  readonly roles: readonly Role[] | 'public'
  /** Whether it is answered with an open stream. */
  readonly stream: boolean
  /** Of the parts of a request. */
  readonly schema: unknown
  /** A path that it takes. What it names does not exist. */
  readonly path: string
}

/** An id that no job has. */
export const NO_ID = '00000000-0000-4000-8000-000000000000'

const NAMES: Readonly<Record<string, string>> = { part_number: 'A01', workspace: 'acme', '*': 'report.txt' }

export async function gatewayWithRoutes(
  t: Test,
  options: GatewayOptions = {},
): Promise<Gateway & { routes: readonly Route[] }> {
  const declared: RouteOptions[] = []
  const listen = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', options => {
      declared.push(options)
    })
  }
  subscribe('fastify.initialization', listen)
  try {
    const gateway = await startGateway(t, options)
    // Only now: plugins may change what was declared while they are registered.
    return { ...gateway, routes: declared.flatMap(routesIn) }
  } finally {
    unsubscribe('fastify.initialization', listen)
  }
}

function routesIn({ method, url, config, schema }: RouteOptions): Route[] {
  const roles = config?.access === 'public' ? 'public' : ([config?.access].flat() as Role[])
  const stream = config?.stream !== undefined
  return [method].flat().map(each => ({ method: each, url, roles, stream, schema, path: pathOf(url) }))
}

function pathOf(url: string): string {
  const id = url.startsWith('/api/events/') ? '1.aaaaaa' : url.startsWith('/projects/') ? 'website' : NO_ID
  return url.replace(/:(\w+)|\*/g, (parameter, name?: string) => NAMES[name ?? parameter] ?? id)
}
