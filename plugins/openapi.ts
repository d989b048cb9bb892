/**
 * The API's description, made from the routes' own schemas: OpenAPI 3.1 at /openapi.json. plugins/docs.ts shows it, plugins/asyncapi.ts
 * describes the messages of streams.
 */
import swagger from '@fastify/swagger'
import type { FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { TObject } from 'typebox'
import type { Role } from '../src/auth/principal.js'
import type { Entry } from '../src/log/catalogue-entry.js'
import { EVENTS } from '../src/log/event-catalogue.js'
import { NOTICES } from '../src/log/notice-catalogue.js'
import { finished } from '../src/openapi/document.js'
import { withoutWildcard } from '../src/openapi/wildcard.js'
import { PROBLEM_MEDIA_TYPE, ProblemDocument } from '../src/problems/problem-document.js'
import { packageVersion } from '../src/process/package-version.js'
import { PUBLIC_DOCUMENT, publicDocument } from './public-document.js'

declare module 'fastify' {
  interface FastifySchema {
    /** The roles that may call the route, separated by commas, in the API's description. */
    'x-sluice-role'?: string
    /** The channels of a route that opens streams, in the description of the streams. */
    'x-sluice-channels'?: string[]
  }
}

export interface OpenApiPluginOptions {
  /** Whether /docs/streams shows the streams (plugins/asyncapi.ts). */
  readonly streamsPage?: boolean
}

export default fp<OpenApiPluginOptions>(
  async (app, { streamsPage = false }) => {
    const { prefix } = app
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Sluice',
          version: packageVersion(),
          description: `Changes in Postgres reach every client as a live, resumable stream.${
            streamsPage ? ` [The streams, with all messages](${prefix}/docs/streams).` : ''
          }`,
          contact: { name: 'The maintainers of Sluice' },
          license: { name: 'MIT', identifier: 'MIT' },
        },
        servers: [{ url: prefix || '/', description: 'This gateway' }],
        tags: [
          { name: 'events', description: 'The log of a workspace: read it, follow it, publish to it.' },
          { name: 'consumers', description: 'Named, durable cursors on streams, with acknowledgements.' },
          { name: 'webhooks', description: 'Events posted to your own URLs, in order, with retries.' },
          { name: 'durable-streams', description: 'Streams in the form of the Durable Streams protocol.' },
          { name: 'streams', description: 'The streams of a workspace, for its admins.' },
          {
            name: 'clients',
            description: 'The clients of a workspace, for its admins, and what became of an event.',
          },
          { name: 'items', description: 'Items and their revisions.' },
          { name: 'jobs', description: 'Jobs: the queue, and the reports of runners.' },
          { name: 'runner jobs', description: 'The streams of jobs, for command lines.' },
          {
            name: 'runs',
            description: 'The streams of jobs, for clients that load a snapshot first; artifacts.',
          },
          { name: 'remote commands', description: 'Commands that a runner of a project executes.' },
          { name: 'executions', description: 'Orchestrations that an application reports task by task.' },
          { name: 'access', description: 'API keys, revocations, and the renewal of streams.' },
          { name: 'server', description: 'Health and state of the gateway.' },
        ],
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer', description: 'A JWT or an API key.' },
            key: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key.' },
          },
          schemas: { Problem: ProblemDocument },
          responses: {
            Problem: {
              description: 'The request was refused or failed.',
              content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
            },
          },
        },
      },
      transform({ schema, url: given, route }) {
        const { url, params } = withoutWildcard({ url: given, params: schema?.params as TObject | undefined })
        return { url, schema: described(params ? { ...schema, params } : schema, route, prefix) }
      },
      transformObject: made =>
        'openapiObject' in made
          ? finished({
              ...made.openapiObject,
              'x-sluice-asyncapi': `${prefix}/asyncapi.json`,
              'x-sluice-schemas': `${prefix}/schemas`,
              'x-sluice-events': withSchemas(EVENTS, `${prefix}/schemas/events`),
              'x-sluice-notices': withSchemas(NOTICES, `${prefix}/schemas/notices`),
            })
          : made.swaggerObject,
    })

    app.get(
      '/openapi.json',
      PUBLIC_DOCUMENT,
      publicDocument({ type: 'application/json', make: () => JSON.stringify(app.swagger()) }),
    )
  },
  { name: 'openapi', dependencies: ['request-caller'] },
)

/** The entries of a catalogue with the paths of their JSON Schemas. */
function withSchemas(entries: Readonly<Record<string, Entry>>, folder: string): object {
  const linked = Object.entries(entries).map(([type, entry]) => [
    type,
    { ...entry, 'x-sluice-schema': `${folder}/${type}.json` },
  ])
  return Object.fromEntries(linked)
}

/** A route's schema with the access rule and the channels of its config. */
function described(
  schema: FastifySchema | undefined,
  { config }: RouteOptions,
  prefix: string,
): FastifySchema {
  const access = config?.access
  if (access === undefined || access === 'public') return { ...schema, security: [] }
  const roles = [access].flat()
  const needs = `Needs the role ${roles.map(inWords).join(', or ')}.`
  return {
    ...schema,
    description: schema?.description ? `${schema.description}\n\n${needs}` : needs,
    security: [{ bearer: [] }, { key: [] }],
    'x-sluice-role': roles.join(', '),
    ...(config?.channels && {
      'x-sluice-channels': config.channels.map(({ name }) => `${prefix}/asyncapi.json#/channels/${name}`),
    }),
  }
}

function inWords(role: Role): string {
  return role === 'runner' ? '`runner`' : `\`${role}\` or a higher one`
}
