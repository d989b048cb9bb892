/** An OpenTelemetry collector on loopback, which takes spans by OTLP over HTTP in JSON, as far as tests look at them. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes: readonly Attribute[]
        readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
      }[]
    }[]
  }[]
}

export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | undefined
  readonly ms: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: readonly string[]
  /** The attributes of its process. */
  readonly resource: Readonly<Record<string, unknown>>
}

export interface Collector {
  readonly url: string
  readonly spans: CollectedSpan[]
  /** The headers of the requests. */
  readonly headers: NodeJS.Dict<string | string[]>[]
  /** Answers the requests that wait, and all further ones. */
  answer(): void
}

/** @param answers whether requests get an answer; else their connections stay open until `answer()`. */
export async function startCollector(test: Test, answers = true): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const headers: Collector['headers'] = []
  let answer = () => {}
  const answering = answers
    ? undefined
    : new Promise<void>(resolve => {
        answer = resolve
      })
  const server = createServer(async (request, response) => {
    headers.push(request.headers)
    const known = request.url === '/v1/traces'
    if (known) spans.push(...spansIn(JSON.parse(await text(request))))
    await answering
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' }).end('{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  test.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, headers, answer }
}

function spansIn({ resourceSpans }: Batch): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(scope =>
      scope.spans.map(({ name, traceId, spanId, parentSpanId, ...span }) => ({
        name,
        traceId,
        spanId,
        parent: parentSpanId || undefined,
        ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        attributes: recordOf(span.attributes),
        links: span.links.map(({ spanId }) => spanId),
        resource: recordOf(resource.attributes),
      })),
    ),
  )
}

function recordOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
