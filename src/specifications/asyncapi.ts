/**
 * The streams of the gateway as AsyncAPI 3: a channel for each way to follow one, made from the routes that open streams and from
 * the event catalogue. The gateway sends, so every operation is `send`; a client asks for it with the request that the bindings and
 * `x-sluice-request-headers` describe. Webhooks will be operations of the same kind.
 */
import type { TObject, TSchema } from 'typebox'
import { EVENTS } from '../log/event-catalogue.js'
import { NOTICES } from '../log/notice-catalogue.js'
import { RedactedData } from '../log/redacted-data.js'
import { withComponents } from '../openapi/document.js'
import type { StreamChannel, StreamForm, StreamMessage } from './channel.js'

/** A route that opens streams. */
export interface StreamRoute {
  /** Without the prefix, with parameters such as `{id}`. */
  readonly path: string
  readonly params: TObject | undefined
  readonly query: TObject | undefined
  readonly channels: readonly StreamChannel[]
}

export interface AsyncApiOptions {
  readonly version: string
  /** The prefix of all paths of the gateway; empty if it has none. */
  readonly prefix: string
  readonly routes: readonly StreamRoute[]
  /** Whether /docs/streams shows the document. */
  readonly page: boolean
}

type Members = Readonly<Record<string, unknown>>

export interface AsyncApi extends Members {
  readonly channels: Readonly<Record<string, Members>>
  readonly operations: Readonly<Record<string, Members>>
  readonly components: { readonly messages: Readonly<Record<string, Members>> } & Members
}

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A JWT or an API key.' },
  key: { type: 'httpApiKey', in: 'header', name: 'X-API-Key', description: 'An API key.' },
  ticket: {
    type: 'httpApiKey',
    in: 'query',
    name: 'ticket',
    description: 'A stream ticket, for clients that cannot set headers.',
  },
} as const

const CREDENTIALS = ['token', 'ticket']
const BINDING_VERSION = '0.3.0'

export function asyncApi({ version, prefix, routes, page }: AsyncApiOptions): AsyncApi {
  const channels = routes.flatMap(route => route.channels.map(channel => ({ route, channel })))
  const messages = new Map(
    channels.flatMap(({ channel }) =>
      channel
        .forms()
        .flatMap(form =>
          form.messages.map(message => [message.key, describedMessage(message, form, prefix)] as const),
        ),
    ),
  )
  return withComponents({
    asyncapi: '3.0.0',
    info: {
      title: 'Sluice: streams',
      version,
      description:
        'The streams that clients can follow. `/openapi.json` describes the other routes, `/schemas` the data of events.',
      contact: { name: 'The maintainers of Sluice' },
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { http: serverOf('http', prefix), https: serverOf('https', prefix) },
    channels: Object.fromEntries(
      channels.map(({ route, channel }) => [channel.name, describedChannel(route, channel)]),
    ),
    operations: Object.fromEntries(
      channels.flatMap(({ route, channel }) =>
        channel
          .forms()
          .map(form => [channel.operation + form.suffix, describedOperation(route, channel, form, prefix)]),
      ),
    ),
    components: {
      messages: Object.fromEntries(messages),
      schemas: catalogueComponents(),
      securitySchemes: SECURITY,
    },
    ...(page && { 'x-sluice-page': `${prefix}/docs/streams` }),
    'x-sluice-openapi': `${prefix}/openapi.json`,
    'x-sluice-schemas': `${prefix}/schemas`,
  })
}

function serverOf(protocol: 'http' | 'https', prefix: string): Members {
  return {
    host: '{host}',
    protocol,
    ...(prefix !== '' && { pathname: prefix }),
    description: 'This gateway.',
    variables: {
      host: { default: 'localhost:8080', description: 'The host, and the port if it needs one.' },
    },
  }
}

function describedChannel(
  { path, params }: StreamRoute,
  { name, title, description, forms }: StreamChannel,
): Members {
  const keys = new Set(forms().flatMap(({ messages }) => messages.map(({ key }) => key)))
  const parameters = Object.entries<TSchema>(params?.properties ?? {}).map(([parameter, schema]) => {
    const { description, examples } = schema as { description?: string; examples?: string[] }
    return [parameter, { ...(description && { description }), ...(examples && { examples }) }]
  })
  return {
    address: path,
    title,
    description,
    ...(parameters.length > 0 && { parameters: Object.fromEntries(parameters) }),
    messages: Object.fromEntries([...keys].map(key => [key, { $ref: `#/components/messages/${key}` }])),
    tags: [{ name: name === 'feed' || name === 'stream' ? 'events' : 'jobs' }],
  }
}

function describedOperation(
  route: StreamRoute,
  channel: StreamChannel,
  form: StreamForm,
  prefix: string,
): Members {
  const pointer = route.path.replaceAll('~', '~0').replaceAll('/', '~1')
  return {
    action: 'send',
    channel: { $ref: `#/channels/${channel.name}` },
    title: form.title,
    messages: form.messages.map(({ key }) => ({ $ref: `#/channels/${channel.name}/messages/${key}` })),
    security: Object.keys(SECURITY).map(name => ({ $ref: `#/components/securitySchemes/${name}` })),
    bindings: {
      http: { method: 'GET', query: queryOf(route, channel, form), bindingVersion: BINDING_VERSION },
    },
    'x-sluice-request-headers': {
      type: 'object',
      required: ['Accept'],
      properties: {
        Accept: { const: form.accept },
        'Last-Event-ID': {
          type: 'string',
          description: 'The id of the last event that the client has: the stream continues after it.',
        },
      },
    },
    'x-sluice-operation': `${prefix}/openapi.json#/paths/${pointer}/get`,
  }
}

function queryOf(
  { query }: StreamRoute,
  { without = [], requires = [], forms }: StreamChannel,
  form: StreamForm,
): Members {
  // They ask for other forms.
  const others = forms().flatMap(({ query }) => Object.keys(query).filter(name => !(name in form.query)))
  const hidden = [...without, ...CREDENTIALS, ...others]
  const known = Object.entries<TSchema>(query?.properties ?? {})
    .filter(([name]) => !hidden.includes(name))
    .map(([name, schema]) => [name, name in form.query ? { const: form.query[name] } : schema])
  const required = [...(query?.required ?? []), ...requires, ...Object.keys(form.query)]
  return {
    type: 'object',
    properties: Object.fromEntries(known),
    ...(required.length > 0 && { required }),
  }
}

function describedMessage(message: StreamMessage, form: StreamForm, prefix: string): Members {
  const { key, event, summary, payload, example, schema } = message
  const headers = form.accept === 'text/event-stream' ? blockOf(message) : undefined
  const name = typeof event === 'string' ? event : key
  return {
    name,
    title: name,
    summary,
    contentType: 'application/json',
    ...(headers && { headers }),
    payload,
    examples: [{ payload: example }],
    ...(schema && { 'x-sluice-schema': `${prefix}/schemas/${schema}` }),
  }
}

/** The fields of a Server-Sent Event besides its data (WHATWG HTML §9.2). */
function blockOf({ event, ofLog }: StreamMessage): Members {
  return {
    type: 'object',
    required: [...(event === undefined ? [] : ['event']), ...(ofLog ? ['id'] : [])],
    properties: {
      id: {
        type: 'string',
        description: ofLog
          ? 'The event id. Send the last one as `Last-Event-ID` to continue after it.'
          : 'The cursor that the client has, or gets with this message. Missing while it has none.',
      },
      ...(event !== undefined && { event: typeof event === 'string' ? { const: event } : event }),
      retry: {
        type: 'integer',
        description:
          'In the first message of a response, and before its end: reconnect after this many milliseconds.',
      },
    },
  }
}

function catalogueComponents(): Members {
  // Redaction puts other data in the place of an event's own.
  const events = Object.entries(EVENTS).map(([type, { data }]) => [type, { anyOf: [data, RedactedData] }])
  const notices = Object.entries(NOTICES).map(([name, { data }]) => [`notice.${name}`, data])
  return Object.fromEntries([...events, ...notices])
}
