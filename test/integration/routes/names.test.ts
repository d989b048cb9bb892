/** One spelling on the wire: our own API says everything in snake_case, and only dialects do not. */
import t from 'tap'
import { read } from '../../harness/document.js'
import { as, publish, startGateway } from '../../harness/gateway.js'

const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/
/** The dialects whose clients expect camelCase (routes/compat/). */
const CAMEL_CASE_PATHS = /^\/api\/(executions|v1\/runs)(\/|$)/
/** The former name of `by_kind` in /ready, until 1.0. */
const KEPT = ['byKind']

type Schema = Readonly<Record<string, unknown>>

t.test('every field and parameter of the described API has a name in snake_case', async t => {
  const { url } = await startGateway(t)
  const description = (await (await fetch(`${url}/openapi.json`)).json()) as Schema
  const { paths, components, ...document } = description
  const own = Object.entries(asSchema(paths)).filter(([path]) => !CAMEL_CASE_PATHS.test(path))
  const types = [document['x-sluice-events'], document['x-sluice-notices']].flatMap(entries =>
    Object.values(asSchema(entries)).map(entry => asSchema(entry).data),
  )

  const names = [own, components, types].flatMap(namesIn)

  t.ok(names.includes('event_id') && names.includes('last_event_id') && names.includes('job_id'))
  t.strictSame(wrong(names), KEPT)
})

t.test(
  'what is sent without a schema is named so too: events, notices, problems, and the answers of nginx',
  async t => {
    const gateway = await startGateway(t)
    await publish(gateway, { type: 'door.opened', data: { door: 7 } })
    const get = (query: string, accept: string) =>
      fetch(`${gateway.url}/api/events?${query}`, { headers: { ...as('viewer'), accept } })
    const stream = await get('envelope=message&last_event_id=none&unknown=1', 'text/event-stream')
    let heard = ''
    for await (const text of (stream.body ?? []) as AsyncIterable<Uint8Array>) {
      heard += Buffer.from(text).toString()
      if (heard.includes('"reset"')) break
    }
    const answers = [
      await get('limit=10', 'application/json'),
      await get('limit=10', 'application/x-ndjson'),
      await get('limit=none', 'application/json'),
      await fetch(`${gateway.url}/api/items/none`, { headers: as('viewer') }),
      await fetch(`${gateway.url}/ready`),
    ]
    const texts = [heard, ...(await Promise.all(answers.map(answer => answer.text())))]
    const nginx = read('deploy/nginx.conf').replace(/^ +log_format[^;]*;/m, '')

    const names = [...texts, nginx].flatMap(text =>
      [...text.matchAll(/"(\w+)":/g)].map(([, name = '']) => name),
    )

    t.ok(['event_id', 'request_id', 'retry_after', 'by_kind', 'ignored'].every(name => names.includes(name)))
    t.strictSame(wrong(names), KEPT)
  },
)

function wrong(names: readonly string[]): string[] {
  return [...new Set(names.filter(name => !SNAKE_CASE.test(name)))]
}

/** The names of all properties, and of all parameters in a query or path, below a part of the description. */
function namesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(namesIn)
  if (typeof node !== 'object' || node === null) return []
  const { properties, example, examples, default: _, ...rest } = asSchema(node)
  const parameter = typeof node === 'object' && 'in' in node && node.in !== 'header' && 'name' in node
  const members = Object.entries(asSchema(properties))
  return [
    ...(parameter ? [String(node.name)] : []),
    ...members.flatMap(([name, schema]) => [name, ...namesIn(schema)]),
    ...namesIn(Object.values(rest)),
  ]
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
