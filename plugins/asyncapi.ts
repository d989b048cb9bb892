/**
 * The streams of the gateway as AsyncAPI 3 at /asyncapi.json, and the data of built-in events and notices as JSON Schemas at /schemas.
 * Every route with `config.stream` is in the document: it declares its channels in `config.channels`.
 */
import type { RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { TObject } from 'typebox'
import { withoutWildcard } from '../src/openapi/wildcard.js'
import { Problem } from '../src/problems/problem.js'
import { packageVersion } from '../src/process/package-version.js'
import { type AsyncApi, asyncApi, type StreamRoute } from '../src/specifications/asyncapi.js'
import { type CatalogueSchemas, catalogueSchemas } from '../src/specifications/catalogue-schemas.js'
import type { StreamChannel } from '../src/specifications/channel.js'
import { PAGE_POLICY, streamsPage } from '../src/specifications/streams-page.js'
import { HTML } from './page-files.js'
import { PUBLIC_DOCUMENT, publicDocument } from './public-document.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The channels of a route that opens streams, for AsyncAPI. */
    channels?: readonly StreamChannel[]
  }
}

export interface AsyncApiPluginOptions {
  /** Whether /docs/streams shows the document as a page. */
  readonly page: boolean
}

const SCHEMA = 'application/schema+json'

export default fp<AsyncApiPluginOptions>(
  async (app, { page }) => {
    const { prefix } = app
    const routes: StreamRoute[] = []
    app.addHook('onRoute', route => {
      if (route.method === 'GET' && route.config?.stream) routes.push(streamRoute(route, prefix))
    })

    let document: AsyncApi | undefined
    const described = () => {
      document ??= asyncApi({ version: packageVersion(), prefix, routes, page })
      return document
    }
    let schemas: CatalogueSchemas | undefined
    const catalogue = () => {
      schemas ??= catalogueSchemas(`${prefix}/schemas`, described(), prefix)
      return schemas
    }

    app.get(
      '/asyncapi.json',
      PUBLIC_DOCUMENT,
      publicDocument({ type: 'application/json', make: () => JSON.stringify(described()) }),
    )
    app.get(
      '/schemas',
      PUBLIC_DOCUMENT,
      publicDocument({ type: 'application/json', make: () => JSON.stringify(catalogue().index) }),
    )
    app.get('/schemas/*', PUBLIC_DOCUMENT, (request, reply) => {
      const { '*': path }: { '*'?: string } = Object(request.params)
      const schema = catalogue().files.get(path ?? '')
      if (schema === undefined) throw noSchema(prefix)
      return publicDocument({ type: SCHEMA, make: () => JSON.stringify(schema) })(request, reply)
    })
    if (page) {
      app.get(
        '/docs/streams',
        PUBLIC_DOCUMENT,
        publicDocument({
          type: HTML,
          headers: { 'content-security-policy': PAGE_POLICY },
          make: () => streamsPage(described(), prefix),
        }),
      )
    }
  },
  { name: 'asyncapi', dependencies: ['request-caller'] },
)

/** @throws {Error} for a route without channels: a stream that nobody finds in the document. */
function streamRoute({ url: given, schema, config }: RouteOptions, prefix: string): StreamRoute {
  const { channels } = config ?? {}
  const { url, params } = withoutWildcard({ url: given, params: schema?.params as TObject | undefined })
  if (channels === undefined)
    throw new Error(`${url} opens streams. Set config.channels beside config.stream, as routes/feed.ts does.`)
  return {
    path: url.slice(prefix.length).replace(/:(\w+)/g, '{$1}'),
    params,
    query: schema?.querystring as StreamRoute['query'],
    channels,
  }
}

function noSchema(prefix: string): Problem {
  return new Problem(404, 'not-found', `There is no such schema. GET ${prefix}/schemas lists them.`)
}
