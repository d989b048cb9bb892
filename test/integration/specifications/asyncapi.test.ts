/** /asyncapi.json is valid, has every stream of the gateway, and says of each message what clients really receive. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Parser } from '@asyncapi/parser'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import t from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import type { AsyncApi } from '../../../src/specifications/asyncapi.js'
import { create, EDITOR, finish, STORIES, run as work } from '../../harness/dialect-story.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { golden } from '../../harness/transcript.js'
import { until } from '../../harness/until.js'

type Json = Readonly<Record<string, unknown>>
/** A message as a client receives it: a Server-Sent Event, or a line without `event` and `id`. */
interface Received {
  readonly event?: string | undefined
  readonly id?: string | undefined
  readonly data: unknown
}

const gateway = await startGateway(t)
const text = await (await fetch(`${gateway.url}/asyncapi.json`)).text()
const document: AsyncApi = JSON.parse(text)
/** Not of formats: transcripts have `time` and `uuid` in place of values. */
const ajv = new Ajv2020({ strict: false, validateFormats: false })
ajv.addSchema({ $id: 'document', components: document.components })

t.test('the parser of AsyncAPI finds no fault', async t => {
  const { diagnostics } = await new Parser().parse(text)

  // The newest version is 3.1; tools that read 3.0 read it too, not the other way round.
  const faults = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')
  t.strictSame(faults, [])
})

t.test('every stream of the API has a channel, and every channel is a stream', async t => {
  const { paths } = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
    paths: Record<
      string,
      { get?: { responses: { 200: { content?: object } }; 'x-sluice-channels'?: string[] } }
    >
  }
  const streams = Object.entries(paths).filter(
    ([, { get }]) => get && 'text/event-stream' in (get.responses[200].content ?? {}),
  )

  const linked = streams.flatMap(([path, { get }]) =>
    (get?.['x-sluice-channels'] ?? []).map(link => `${path} ${link.split('/').at(-1)}`),
  )
  const described = Object.entries(document.channels).map(([name, { address }]) => `${address} ${name}`)
  t.ok(streams.length > 5)
  t.strictSame(new Set(linked.map(line => line.split(' ')[0])), new Set(streams.map(([path]) => path)))
  t.strictSame(linked.sort(), described.sort())
})

t.test('the messages of the dialects are those that clients get, and each of them is seen', async t => {
  const folder = join(packageRoot, 'test/integration/dialects/golden')
  const transcripts = Object.keys(STORIES).flatMap(name =>
    readdirSync(folder)
      .filter(file => file.startsWith(`${name}-`))
      .map(file => ({ name, transcript: golden(file.replace('.txt', '')) })),
  )
  const { jobs } = gateway.app
  const updated = await jobs.create(EDITOR, { kind: 'run' }, 'running')
  const run = await openStream(t, gateway.url + STORIES.runs.path(updated.id), { headers: as('viewer') })
  await run.until(1)
  await jobs.append(
    EDITOR,
    updated.id,
    [
      { type: 'run.updated', data: { currentStep: 'build' } },
      { type: 'progress', data: { done: 1 } },
    ],
    {},
  )
  await jobs.finish(EDITOR, updated.id, 'completed', {})
  const { job, path } = STORIES['remote-commands']
  const cancelled = await jobs.create(EDITOR, job)
  await jobs.cancel(EDITOR, cancelled.id)
  const command = await openStream(t, gateway.url + path(cancelled.id), { headers: as('viewer') })
  const rare = [
    { name: 'runs', transcript: await whole(run) },
    { name: 'remote-commands', transcript: await whole(command) },
  ]

  const seen = new Set<string>()
  const faults = [...transcripts, ...rare].flatMap(({ name, transcript }) => {
    const check = checker(name, operationOf(name), seen)
    return messagesIn(transcript).flatMap(check)
  })

  const own = Object.keys(document.components.messages).filter(key =>
    Object.keys(STORIES).some(name => name !== 'job' && key.startsWith(`${name}.`)),
  )
  t.ok(own.length > 20)
  t.strictSame(faults, [])
  t.strictSame(
    own.filter(key => !seen.has(key)),
    [],
  )
})

for (const [suffix, query, accept] of [
  ['', '', 'text/event-stream'],
  ['AsMessages', 'envelope=message', 'text/event-stream'],
  ['AsCloudEvents', 'envelope=cloudevents', 'text/event-stream'],
  ['AsLines', '', 'application/x-ndjson'],
  ['AsCloudEventLines', 'envelope=cloudevents', 'application/x-ndjson'],
] as const) {
  t.test(`the messages of the feed are as described: followFeed${suffix}`, async t => {
    const stream = await openStream(t, `${gateway.url}/api/events?${query}&last_event_id=unknown`, {
      headers: { ...as('viewer'), accept },
    })
    const seen = new Set<string>()
    const check = checker('feed', `followFeed${suffix}`, seen)
    const job = await create(gateway.app, STORIES.executions)
    await work(gateway.app, STORIES.executions, job)
    await finish(gateway.app, STORIES.executions, job)
    const [id = ''] = await publish(gateway, { type: 'order.placed', data: { order: 7 } })

    const received = () => (accept === 'text/event-stream' ? messagesIn : linesIn)(stream.text())
    await until(`${id} arrives`, () =>
      received().some(({ data }) => JSON.stringify(data).includes('"order"')),
    )

    t.ok(id)
    t.strictSame(received().flatMap(check), [])
    t.ok(seen.size > 2, [...seen].join())
  })
}

t.test('every link between the descriptions leads somewhere', async t => {
  const texts = await Promise.all(
    ['/openapi.json', '/asyncapi.json', '/schemas'].map(async path =>
      (await fetch(gateway.url + path)).text(),
    ),
  )
  const index = JSON.parse(texts[2] ?? '') as { events: { schema: string }[]; notices: { schema: string }[] }
  const schemas = [...index.events, ...index.notices].map(({ schema }) => schema)
  const files = await Promise.all(schemas.map(async path => (await fetch(gateway.url + path)).text()))
  const links = new Set([...texts, ...files].flatMap(each => linksIn(JSON.parse(each))))

  const broken: string[] = []
  for (const link of links) if (!(await leads(link))) broken.push(link)

  t.ok(
    ['/openapi.json#', '/asyncapi.json#', '/schemas/events/'].every(start =>
      [...links].some(link => link.startsWith(start)),
    ),
  )
  t.strictSame(broken, [])
})

/** Whether there is something where the link leads: a document, or a place in it (RFC 6901). */
async function leads(link: string): Promise<boolean> {
  const [path = '', pointer] = link.split('#')
  const response = await fetch(gateway.url + path)
  const body = await response.text()
  if (!response.ok || pointer === undefined) return response.ok
  const keys = pointer.split('/').slice(1)
  const found = keys.reduce<unknown>(
    (inside, key) => membersOf(inside)[key.replaceAll('~1', '/').replaceAll('~0', '~')],
    JSON.parse(body),
  )
  return found !== undefined
}

/** The values of members whose names begin with `x-sluice-`, where they are paths, at any depth. */
function linksIn(value: unknown, linking = false): string[] {
  if (typeof value === 'string') return linking && value.startsWith('/') ? [value] : []
  if (Array.isArray(value)) return value.flatMap(each => linksIn(each, linking))
  return Object.entries(membersOf(value)).flatMap(([key, each]) => linksIn(each, key.startsWith('x-sluice-')))
}

async function whole(stream: EventStream): Promise<string> {
  await stream.ended()
  return stream.text()
}

function operationOf(channel: string): string {
  const found = Object.entries(document.operations).find(
    ([, operation]) => membersOf(operation.channel).$ref === `#/channels/${channel}`,
  )
  return found?.[0] ?? ''
}

/** Checks messages of an operation; notes the keys of those that it has met. */
function checker(channel: string, operation: string, seen: Set<string>): (received: Received) => string[] {
  const references = document.operations[operation]?.messages as { $ref: string }[]
  const messages = references.map(({ $ref }) => {
    const key = $ref.slice(`#/channels/${channel}/messages/`.length)
    const message = document.components.messages[key]
    return { key, name: nameIn(message), accepts: acceptsOf(message) }
  })
  return received => {
    const name = received.event ?? membersOf(received.data).type
    const own = messages.filter(message => message.name === name)
    const found = (own.length > 0 ? own : messages.filter(message => message.name === undefined)).find(
      ({ accepts }) => accepts(received),
    )
    if (found) seen.add(found.key)
    return found ? [] : [`${operation} has no such message: ${JSON.stringify(received)}`]
  }
}

/** The name of a Server-Sent Event or the `type` of a document, if the message has only one. */
function nameIn(message: Json | undefined): unknown {
  const { headers, payload } = membersOf(message)
  const event = membersOf(membersOf(membersOf(headers).properties).event).const
  return event ?? membersOf(membersOf(membersOf(payload).properties).type).const
}

function acceptsOf(message: Json | undefined): (received: Received) => boolean {
  const { headers, payload } = membersOf(message)
  const within = (schema: unknown) =>
    JSON.parse(JSON.stringify(schema ?? true).replaceAll('"#/', '"document#/'))
  const [head, body] = [headers, payload].map(schema => ajv.compile(within(schema)))
  return ({ event, id, data }) => {
    const block = { ...(event !== undefined && { event }), ...(id !== undefined && { id }) }
    return head?.(block) === true && body?.(data) === true
  }
}

function messagesIn(transcript: string): Received[] {
  const messages: EventSourceMessage[] = []
  createParser({ onEvent: message => messages.push(message) }).feed(transcript)
  // A transcript has `ms` in place of a duration.
  return messages.map(({ event, id, data }) => ({ event, id, data: JSON.parse(data.replace(':ms,', ':0,')) }))
}

function linesIn(lines: string): Received[] {
  return lines
    .split('\n')
    .slice(0, -1)
    .map(line => ({ data: JSON.parse(line) }))
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
