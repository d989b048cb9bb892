/** What grants leave out and what does not exist are the same answer, byte for byte, headers too, in every form of the request. */
import { request } from 'node:http'
import t from 'tap'
import { openStream } from '../../../harness/event-stream.js'
import { BEHIND_PROXY, type Gateway, publish, startGateway } from '../../../harness/gateway.js'
import { bearer, token } from '../../../harness/tokens.js'

/** `%` is the name of the stream or job, `#` the id of an event. */
const QUERIES = [
  '/api/events?stream=%',
  '/api/events?stream=%&from=beginning',
  '/api/events?stream=%&from=2020-01-01T00:00:00Z',
  '/api/events?stream=%&from=2999-01-01T00:00:00Z',
  '/api/events?stream=%&from=#',
  '/api/events?stream=%&last_event_id=#',
  '/api/events?stream=%&from=999999.aaaaaa',
  '/api/events?stream=%&last=3',
  '/api/events?stream=%&from=latest-by-key&key=data.id',
  '/api/events?stream=%&types=a.*&where=data.id%20eq%201',
  '/api/events?stream=%&envelope=cloudevents',
  '/api/events?stream=%&unknown=1',
  '/api/events?stream=%&after=#&limit=5',
  '/api/events?stream=%&limit=5&wait=50ms',
  '/api/latest?stream=%&key=data.id',
  '/api/latest?stream=%&key=data.id&cursor=bm8',
  '/api/events/#?stream=%',
]
const JOBS = [
  '/api/jobs/%',
  '/api/jobs/%/events',
  '/api/jobs/%/events?from=#',
  '/api/executions/%',
  '/api/executions/%/events',
  '/api/v1/runs/%',
  '/api/v1/runs/%/events',
  '/runner-jobs/%/events/stream',
  '/projects/website/events?stream_id=%',
]
const WRITES = [
  '/api/events?stream=%',
  '/api/events?stream=%&expected_head=0',
  '/api/events?stream=%&expected_head=#',
]
const FORMS = [
  'text/event-stream',
  'application/json',
  'application/x-ndjson',
  'application/cloudevents+json',
]

const LIMITS = { RATE_LIMIT_MAX: '100000', MAX_STREAMS_PER_RUN: '1', ...BEHIND_PROXY }

t.test('reads and writes', async t => {
  const one = await startGateway(t, { env: LIMITS })
  const two = await startGateway(t, { databaseUrl: one.databaseUrl, env: LIMITS })
  const events = [1, 2, 3].map(id => ({ type: 'a.made', data: { id } }))
  const ids = await publish(one, events, { stream: 'there' })
  const write = bearer(token({ role: 'editor' }))
  for (const kind of ['build', 'execution'])
    await send(one, 'POST', '/api/jobs', 'application/json', write, {
      id: `there-${kind}`,
      kind,
      project: 'website',
      started: true,
    })
  // The most clients that a run may have: a further one learns of the limit only if it may know the run.
  for (const { url } of [one, two])
    await openStream(t, `${url}/api/v1/runs/there-build/events`, { headers: write })
  const limits: Record<string, object> = {
    nothing: {},
    'other streams': { subscribe: ['rooms/*', 'project/web/*'], publish: ['rooms/*'] },
    'empty lists': { subscribe: [], publish: [], types: [] },
    'a longer name': { subscribe: ['there/*', 'there-build/*', 'job:there-build-*'], publish: ['there/*'] },
    'a prefix of another project': { subscribe: ['project/websit/*', 'project/website2/*'], publish: [] },
    'all streams, no type': { subscribe: ['*'], publish: ['*'], types: [] },
  }

  const differs: string[] = []
  const ask = async (method: string, form: string, sluice: object, path: string, body?: object) => {
    const answers: string[] = []
    for (const [name, gateway] of [
      ['there', one],
      ['nowhere', two],
      ['there', two],
    ] as const) {
      const at = path.replace('%', encodeURIComponent(name)).replace('#', ids[1] ?? '')
      const headers = bearer(token({ sub: 'spy', role: 'admin', sluice }))
      answers.push((await send(gateway, method, at, form, headers, body)).replaceAll(name, 'X'))
    }
    if (new Set(answers).size > 1)
      differs.push(`${method} ${path} ${form} ${JSON.stringify(sluice)}\n${answers.join('\n')}`)
  }
  for (const sluice of Object.values(limits)) {
    const isOpen = 'types' in sluice && JSON.stringify(sluice).includes('"*"')
    for (const path of isOpen ? [] : QUERIES) for (const form of FORMS) await ask('GET', form, sluice, path)
    for (const path of isOpen ? [] : QUERIES) await ask('HEAD', 'text/event-stream', sluice, path)
    for (const path of WRITES)
      await ask('POST', 'application/json', sluice, path, { type: 'a.made', data: {} })
    const verb = { name: 'build' }
    for (const path of isOpen ? [] : JOBS)
      for (const form of ['application/json', 'text/event-stream'])
        await ask('GET', form, sluice, path.replace('%', `%-${verb.name}`))
    for (const path of ['complete', 'cancel'])
      await ask(
        'POST',
        'application/json',
        sluice,
        `/api/jobs/%-build/${path}`,
        path === 'cancel' ? undefined : {},
      )
  }

  t.strictSame(differs, [])
})

t.test(
  'an entry without an asterisk grants no job that has no id yet, and no rules of a project',
  async t => {
    const gateway = await startGateway(t)
    const form = 'application/json'
    const asked = (method: string, path: string, sluice: object, body?: object) =>
      send(gateway, method, path, form, bearer(token({ role: 'admin', sluice })), body)
    const exact = { subscribe: ['job:', 'project/website/'], publish: ['job:', 'project/website/'] }
    const prefix = { subscribe: ['project/website/*'], publish: ['project/website/*'] }
    const rules = { id: 'website' }
    const job = { kind: 'build', project: 'website' }
    const status = (answer: string) => answer.slice(1, 4)

    const answers = []
    for (const sluice of [exact, prefix]) {
      answers.push(status(await asked('POST', '/projects', sluice, rules)))
      answers.push(status(await asked('GET', '/projects/website', sluice)))
      answers.push(status(await asked('POST', '/api/jobs', sluice, job)))
    }

    t.strictSame(answers, ['403', '404', '403', '201', '200', '201'])
  },
)

/** Status, headers and body, without what differs between any two requests. The answer is cut off after 300 ms of silence. */
function send(
  { url }: Gateway,
  method: string,
  path: string,
  accept: string,
  headers: Record<string, string>,
  body?: object,
): Promise<string> {
  const all = {
    ...headers,
    accept,
    'x-request-id': 'same',
    ...(body && { 'content-type': 'application/json' }),
  }
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { method, headers: all }, response => {
      const parts: string[] = []
      const done = () => {
        const { date, ...rest } = response.headers
        for (const name of Object.keys(rest)) if (/ratelimit-(remaining|reset)/.test(name)) delete rest[name]
        resolve(JSON.stringify([response.statusCode, rest, parts.join('')]))
        response.destroy()
      }
      const cut = setTimeout(done, 3_000)
      response.setEncoding('utf8')
      response.on('data', part => parts.push(part))
      response.on('end', () => {
        clearTimeout(cut)
        done()
      })
    })
    asked.on('error', reject)
    asked.end(body && JSON.stringify(body))
  })
}
