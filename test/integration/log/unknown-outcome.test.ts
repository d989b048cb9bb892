import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { as, startGateway } from '../../harness/gateway.js'
import { startProxy } from '../../harness/postgres-proxy.js'

const COMMITTED = Buffer.from('COMMIT\0')
/** In the statements of the change, and of no other transaction of the gateway. */
const MARK = 'whose-commit-is-cut'

/** As `/v1/stream/NAME`, which the setup has made. */
const MADE = `${MARK}-made`

const CHANGES = {
  'a publish after a head': [
    'POST',
    '/api/events?stream=new&expected_head=0',
    `{"type":"thing.made","data":{"mark":"${MARK}"}}`,
  ],
  'a new durable stream': ['PUT', `/v1/stream/${MARK}`, ''],
  'the deletion of a durable stream': ['DELETE', `/v1/stream/${MADE}`, undefined],
  'a job': ['POST', '/api/jobs', `{"kind":"command","payload":{"mark":"${MARK}"}}`],
} as const

for (const [name, [method, path, body]] of Object.entries(CHANGES))
  t.test(`${name} whose COMMIT gets no answer is not reported as not stored`, async t => {
    const { url } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const gateway = await startGateway(t, { databaseUrl: proxy.url, env: { LISTEN_DATABASE_URL: url } })
    const headers = { ...as('editor'), 'content-type': 'application/json' }
    await fetch(`${gateway.url}/v1/stream/${MADE}`, { method: 'PUT', headers })
    let cut: Promise<void> | undefined
    proxy.messages = (message, asked) => {
      if (cut === undefined && message.includes(COMMITTED) && asked.includes(MARK)) cut = proxy.unplug()
      return cut === undefined ? message : Buffer.alloc(0)
    }

    const answer = await fetch(`${gateway.url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    })
    const problem = Object(await answer.json())

    t.ok(cut, 'the COMMIT was cut off')
    t.match(problem, { status: 503, code: 'database-unavailable', database: 'away' })
    t.match(problem.detail, 'Whether anything was stored is unknown.')
    t.notMatch(problem.detail, 'Nothing was stored')
  })
