/**
 * Texts that mean something to a database or to JavaScript, in every field of every request that takes a text. What the
 * fields are is read from the description of the API, so that a new route is attacked from its first day.
 */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { as } from '../../harness/gateway.js'
import { byNight } from '../../harness/nightly.js'
import { gatewayWithRoutes, type Route } from '../../harness/routes.js'
import { until } from '../../harness/until.js'
import { POLLUTION_BODIES, POLLUTION_TEXTS, SQL_TEXTS } from './corpora.js'
import { type Schema, sampleOf, withEachText } from './samples.js'

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

interface Request {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly role: 'admin' | 'runner'
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

const TEXTS = [...SQL_TEXTS, ...POLLUTION_TEXTS]
const { url: databaseUrl, pool } = await createDatabase(t)
const { url, routes } = await gatewayWithRoutes(t, { databaseUrl })
const api = Object(await (await fetch(`${url}/openapi.json`)).json()) as {
  paths: Record<string, Record<string, Operation>>
}

t.test('no text in any field breaks out of it', async t => {
  await make('globex', { part_number: 'G1', description: 'Theirs', item_type: 'part' })
  const before = await state()
  // Every text in one place of three, in turn: what breaks out of one place breaks out of its neighbours. By night in all.
  const requests = routes
    .flatMap(route => requestsFor(route, TEXTS))
    .filter((_, at) => at % byNight(3, 1) === 0)

  const failures = await failuresOf(requests)

  t.strictSame(failures.slice(0, 5), [])
  t.strictSame(await state(), before, 'every table is there, and what is theirs is as it was')
  t.ok(requests.length > 1_500, `${requests.length} requests`)
  await until('it is ready', async () => (await fetch(`${url}/ready`)).status === 200)
})

t.test('no key in any body changes the prototype of objects', async t => {
  const requests = routes.flatMap(route => pollutionFor(route)).filter((_, at) => at % byNight(2, 1) === 0)

  const failures = await failuresOf(requests)

  t.strictSame(failures.slice(0, 5), [])
  t.equal(Reflect.get({}, 'polluted'), undefined)
  t.equal(Reflect.get([], 'polluted'), undefined)
  t.strictSame(Object.keys(Object.prototype), [])
  t.equal(
    Reflect.get(() => {}, 'polluted'),
    undefined,
  )
  t.ok(requests.length > 500, `${requests.length} requests`)
})

t.test('stored texts are returned unchanged, and can be found', async t => {
  for (const [at, text] of TEXTS.entries()) {
    if (text.includes('\0')) continue
    const item = {
      part_number: `T-${at}`,
      description: text,
      item_type: text.slice(0, 64),
      properties: text === '__proto__' ? {} : { [text]: text },
    }
    t.equal(await make('initech', item), 201, text)

    const stored = await read(`/api/items/T-${at}`)
    t.strictSame(pick(stored, Object.keys(item)), item)
    const byType = await read(`/api/items?item_type=${encodeURIComponent(item.item_type)}`)
    t.ok(
      itemsOf(byType).every(({ item_type }) => item_type === item.item_type),
      `by type: ${text}`,
    )
    const found = await read(`/api/items?search=${encodeURIComponent(text)}`)
    t.ok(
      itemsOf(found).some(({ part_number }) => part_number === item.part_number),
      `found: ${text}`,
    )
    const isMatch = ({ part_number, description }: Item) =>
      [part_number, description].some(value => value.toLowerCase().includes(text.toLowerCase()))
    t.ok(itemsOf(found).every(isMatch), `nothing else is found: ${text}`)
  }
})

t.test('an event’s data is as it was published, whatever is in it', async t => {
  const headers = { ...as('editor', 'initech'), 'content-type': 'application/json' }
  const texts = TEXTS.filter(text => !text.includes('\0') && text !== '__proto__')

  for (const text of texts) {
    const body = JSON.stringify({ type: 'thing.made', data: { text, [text]: [text] } })
    const answer = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
    t.equal(answer.status, 201, text)
    const receipt = Object(await answer.json())
    const stored = await read(`/api/events/${receipt.events[0].id}`)
    t.equal(JSON.stringify(stored.data), JSON.stringify({ text, [text]: [text] }))
  }
})

interface Item {
  readonly part_number: string
  readonly description: string
  readonly item_type: string
}

function requestsFor(route: Route, texts: readonly string[]): Request[] {
  const operation = operationOf(route)
  if (!operation) return []
  const requests: Request[] = []
  const base = baseOf(route)
  for (const { in: place, name } of operation.parameters ?? []) {
    for (const text of texts) {
      const encoded = encodeURIComponent(text)
      const request = { ...base, name: `${route.method} ${route.url} ${place} ${name}: ${text}` }
      if (place === 'query') requests.push({ ...request, path: `${base.path}?${name}=${encoded}` })
      if (place === 'path') requests.push({ ...request, path: pathWith(route, name, encoded) })
      if (place === 'header') requests.push({ ...request, headers: { [name]: text.replace(/[^ -~]/g, '?') } })
    }
  }
  for (const body of withEachText(bodyOf(operation), texts)) {
    requests.push({ ...base, name: `${route.method} ${route.url} ${body.slice(0, 200)}`, body })
  }
  return requests
}

function pollutionFor(route: Route): Request[] {
  const operation = operationOf(route)
  if (!operation) return []
  const base = baseOf(route)
  const names = ['__proto__[polluted]', '__proto__.polluted', 'constructor[prototype][polluted]', '__proto__']
  const queries = names.map(name => ({ ...base, name, path: `${base.path}?${encodeURIComponent(name)}=1` }))
  const sample = bodyOf(operation)
  if (typeof sample !== 'object' || sample === null) return queries
  const text = JSON.stringify(sample)
  const bodies = POLLUTION_BODIES.flatMap(member => [
    text.replace('{', text === '{}' ? `{${member}` : `{${member},`),
    text.replace(/\}$/, text === '{}' ? `${member}}` : `,${member}}`),
    `[${text.replace('{', text === '{}' ? `{${member}` : `{${member},`)}]`,
  ])
  return [
    ...queries,
    ...bodies.map(body => ({ ...base, name: `${route.method} ${route.url} ${body}`, body })),
  ]
}

function baseOf(route: Route): Pick<Request, 'method' | 'path' | 'role'> {
  const takesAdmin = route.roles === 'public' || route.roles.some(role => role !== 'runner')
  // To HEAD a stream ends at once.
  const method = operationOf(route)?.parameters?.some(({ name }) => name === 'last_event_id')
    ? 'HEAD'
    : route.method
  return {
    method: route.method === 'GET' ? method : route.method,
    path: route.path,
    role: takesAdmin ? 'admin' : 'runner',
  }
}

function operationOf({ method, url: path }: Route): Operation | undefined {
  const documented = path.replace(/:(\w+)/g, '{$1}').replace('*', '{*}')
  return api.paths[documented]?.[method.toLowerCase()]
}

function bodyOf({ requestBody }: Operation): unknown {
  const schema = requestBody?.content['application/json']?.schema
  return schema && sampleOf(schema)
}

function pathWith({ url: path }: Route, name: string, text: string): string {
  const filled = path.replace(name === '*' ? '*' : `:${name}`, () => text)
  return filled.replace(/:\w+|\*/g, 'A01')
}

async function failuresOf(requests: readonly Request[]): Promise<string[]> {
  const failures: string[] = []
  const queue = [...requests]
  const worker = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const { name, method, path, role, body, headers } = next
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { ...as(role), ...(body && { 'content-type': 'application/json' }), ...headers },
        ...(body && { body }),
      })
      const text = await response.text()
      // On a busy machine the database may answer too late for /ready.
      const isUnready = response.status === 503 && text.startsWith('{"status":"unready"')
      if (response.status >= 500 && !isUnready) failures.push(`${name} → ${response.status} ${text}`)
      if (
        /syntax error|pg_|sqlstate|node_modules/i.test(text) &&
        !text.includes('"items"') &&
        response.status >= 400
      )
        failures.push(`${name} → ${text}`)
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  return failures
}

async function state() {
  const tables = await pool.query(
    `select relname from pg_class where relnamespace = 'sluice'::regnamespace and relkind = 'r' order by 1`,
  )
  const theirs = await fetch(`${url}/api/items`, { headers: as('viewer', 'globex') })
  return [tables.rows, await theirs.text()]
}

async function make(workspace: string, item: object): Promise<number> {
  const headers = { ...as('editor', workspace), 'content-type': 'application/json' }
  const response = await fetch(`${url}/api/items`, { method: 'POST', headers, body: JSON.stringify(item) })
  await response.text()
  return response.status
}

async function read(path: string) {
  const response = await fetch(`${url}${path}`, { headers: as('viewer', 'initech') })
  return Object(await response.json())
}

function itemsOf(page: { items?: Item[] }): Item[] {
  return page.items ?? []
}

function pick(value: Record<string, unknown>, names: readonly string[]): object {
  return Object.fromEntries(names.map(name => [name, value[name]]))
}
