/**
 * Every route of the app, and callers with different grants: what the gateway really answers is the table in docs/access.md. A
 * route that forgets to ask for grants is found here, and so is one that the table does not have. After a change of the routes:
 * `SLUICE_UPDATE_DOCS=1 npm test -- test/integration/auth/grants/table.test.ts`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../../src/process/package-root.js'
import { read, section } from '../../../harness/document.js'
import { openStream } from '../../../harness/event-stream.js'
import { BEHIND_PROXY, type Gateway, publish } from '../../../harness/gateway.js'
import { gatewayWithRoutes, type Route } from '../../../harness/routes.js'
import { until } from '../../../harness/until.js'
import { type Asked, caller, Requests, type Role } from './requests.js'

const PAGE = 'docs/access.md'

/** The columns: the grants of a caller for a request that needs the stream `exact`. */
const COLUMNS: Readonly<Record<string, (asked: Asked) => object | undefined>> = {
  none: () => undefined,
  exact: ({ exact }) => ({ subscribe: [exact], publish: [exact] }),
  prefix: ({ prefix }) => ({ subscribe: [prefix], publish: [prefix] }),
  'subscribe only': ({ exact, prefix }) => ({ subscribe: [exact, prefix] }),
  'publish only': ({ exact, prefix }) => ({ publish: [exact, prefix] }),
  'other types': ({ exact, prefix }) => ({
    subscribe: [exact, prefix],
    publish: [exact, prefix],
    types: ['other.*'],
  }),
  'types only': () => ({ types: ['*'] }),
  'other stream': () => ({ subscribe: ['other/*'], publish: ['other/*'] }),
}
/** The routes whose answer is a list, or a job out of a queue: without a grant there is nothing in it. */
const LISTS = ['consumers', 'jobs', 'projects', 'keys', 'items', 'events', 'entries', 'revocations']
/** The routes that are asked for a page and for a live stream. */
const IN_BOTH_FORMS = ['GET /api/events', 'GET /api/consumers/:name/events']

interface Answer {
  readonly cell: string
  readonly code: string
}

t.test('the table of routes and grants is what the gateway answers', async t => {
  const gateway = await gatewayWithRoutes(t, { env: { RATE_LIMIT_MAX: '0', RATE_LIMIT_ADDRESS_MAX: '0' } })
  const requests = new Requests(gateway).all
  const routes = gateway.routes.filter(
    ({ method, roles }) => !['HEAD', 'OPTIONS'].includes(method) && roles !== 'public',
  )
  const rows: string[] = []
  const wrong: string[] = []

  for (const route of routes) {
    const name = `${route.method} ${route.url}`
    const ask = requests[name]
    if (!ask) {
      wrong.push(`${name} has no request`)
      continue
    }
    for (const form of IN_BOTH_FORMS.includes(name) ? ['page', 'live'] : ['']) {
      const answers: Answer[] = []
      for (const grantsOf of Object.values(COLUMNS)) {
        const asked = await ask()
        answers.push(await answerTo(t, gateway, route, asked, grantsOf(asked), form))
      }
      rows.push(`| \`${name}\`${form && `, ${form}`} | ${answers.map(({ cell }) => cell).join(' | ')} |`)
      wrong.push(...faultsOf(name, answers))
    }
  }

  if (process.env.SLUICE_UPDATE_DOCS === '1') update(rows.sort())
  t.strictSame(wrong, [])
  t.strictSame(rows.sort(), tableIn(read(PAGE)), rows.join('\n'))
})

t.test('what grants leave out is as unknown as what does not exist', async t => {
  const gateway = await gatewayWithRoutes(t, {
    env: { RATE_LIMIT_MAX: '0', RATE_LIMIT_ADDRESS_MAX: '0', ...BEHIND_PROXY },
  })
  const requests = new Requests(gateway).all
  const grants = { subscribe: ['other/*'], publish: ['other/*'] }
  const different: string[] = []
  let pairs = 0

  for (const route of gateway.routes.filter(({ method }) => method === 'GET')) {
    const name = `GET ${route.url}`
    const asked = await requests[name]?.()
    if (!asked?.unknown) continue
    for (const accept of route.stream ? ['text/event-stream', 'application/json'] : ['application/json']) {
      for (const headers of [{ accept }, { accept, 'last-event-id': '1.aaaaaa' }]) {
        const [forbidden, unknown, unlimited] = await Promise.all([
          whole(gateway, asked.path, { ...headers, ...caller(roleOf(route), grants) }),
          whole(gateway, asked.unknown, { ...headers, ...caller(roleOf(route), grants) }),
          whole(gateway, asked.unknown, { ...headers, ...caller(roleOf(route)) }),
        ])
        pairs += 1
        if (forbidden !== unknown || forbidden !== unlimited) {
          different.push(`${name} ${JSON.stringify(headers)}: ${forbidden} | ${unknown} | ${unlimited}`)
        }
      }
    }
  }

  t.strictSame(different, [])
  t.ok(pairs > 20, `${pairs} pairs`)
})

/** What holds for every route, whatever the table says. */
function faultsOf(name: string, answers: readonly Answer[]): string[] {
  const [none, ...limited] = answers
  const faults: string[] =
    none?.cell === 'yes' ? [] : [`${name} is refused without grants: ${none?.cell} ${none?.code}`]
  const isWrite = !name.startsWith('GET')
  const codes = limited.flatMap(({ cell, code }) => (cell === '403' ? code : []))
  const fine = ['publish-not-granted', 'workspace-not-granted', 'grants-exceeded']
  faults.push(...codes.filter(code => !fine.includes(code)).map(code => `${name}: ${code}`))
  const open = [
    'GET /api/principal',
    'GET /api/server/state',
    'POST /api/stream-tickets',
    'POST /api/streams/:connection/token',
  ]
  for (const answer of answers.slice(-2)) {
    if (answer.cell === 'yes' && !open.includes(name))
      faults.push(`${name} shows or writes what is not granted`)
    if (answer.cell === '404' && isWrite && !/\/api\/(keys|consumers)\//.test(name))
      faults.push(`${name} tells what exists`)
  }
  return faults
}

async function answerTo(
  t: Parameters<typeof openStream>[0],
  gateway: Gateway,
  route: Route,
  { path, body, headers }: Asked,
  grants: object | undefined,
  form: string,
): Promise<Answer> {
  const credentials = caller(roleOf(route), grants)
  if (form === 'live') return liveAnswer(t, gateway, path, credentials)
  const response = await fetch(`${gateway.url}${path}`, {
    method: route.method,
    headers: {
      accept: route.stream && form !== 'page' ? 'text/event-stream' : 'application/json',
      ...credentials,
      ...headers,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) return { cell: String(response.status), code: String(JSON.parse(text).code) }
  if (route.url === '/api/workspace/export') return { cell: 'yes', code: '' }
  if (route.url === '/api/jobs/claim') return { cell: response.status === 204 ? 'nothing' : 'yes', code: '' }
  if (route.stream && form === '') {
    const shows = route.url !== '/api/jobs/:id/events' || text.includes('"mark"')
    return { cell: shows ? 'yes' : 'cursor only', code: '' }
  }
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  const found = Object(isJson && text !== '' ? JSON.parse(text) : undefined)
  const list = LISTS.map(member => found[member]).find(Array.isArray)
  const empty = route.method === 'GET' && list?.length === 0
  return { cell: empty ? (form === 'page' ? 'cursor only' : 'nothing') : 'yes', code: '' }
}

/** Waits until the client has the head's id, with the event or as a bare cursor. */
async function liveAnswer(
  t: Parameters<typeof openStream>[0],
  gateway: Gateway,
  path: string,
  headers: { authorization: string },
): Promise<Answer> {
  const [head] = await publish(gateway, { type: 'note.made', data: { mark: true } }, { stream: 'rooms/1' })
  const stream = await openStream(t, `${gateway.url}${path}${path.includes('?') ? '&from=beginning' : ''}`, {
    headers,
  })
  if (stream.response.statusCode !== 200) {
    await stream.ended()
    return { cell: String(stream.response.statusCode), code: String(JSON.parse(stream.text()).code) }
  }
  await until(
    'the head',
    () => stream.text().includes(`id: ${head}\n`) || stream.text().includes(`id:${head}\n`),
  )
  stream.close()
  return { cell: stream.text().includes('"mark"') ? 'yes' : 'cursor only', code: '' }
}

/** Status and body of a response that ends. */
async function whole(gateway: Gateway, path: string, headers: Readonly<Record<string, string>>) {
  const response = await fetch(`${gateway.url}${path}`, { headers: { ...headers, 'x-request-id': 'r' } })
  return `${response.status} ${await response.text()}`
}

function roleOf({ roles }: Route): Role {
  const [role = 'viewer'] = roles === 'public' ? [] : roles
  return role
}

function update(rows: readonly string[]): void {
  const text = read(PAGE)
  const start = text.indexOf('| `', text.indexOf('\n## Routes and grants\n'))
  writeFileSync(join(packageRoot, PAGE), `${text.slice(0, start)}${rows.join('\n')}\n`)
}

function tableIn(text: string): string[] {
  return section(text, '## Routes and grants')
    .split('\n')
    .filter(line => line.startsWith('| `'))
    .sort()
}
