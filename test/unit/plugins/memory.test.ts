import { once } from 'node:events'
import { connect } from 'node:http2'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import memory from '../../../plugins/memory.js'
import type { Principal } from '../../../src/auth/principal.js'
import { until } from '../../harness/until.js'

const ADA: Principal = {
  id: 'ada',
  workspace: 'acme',
  role: 'viewer',
  expiresAt: Number.POSITIVE_INFINITY,
  issuedAt: 0,
  credential: { kind: 'key', id: 'k' },
}
const LARGE = 'x'.repeat(100_000)

t.test(
  'a large response over HTTP/2 is not charged when the client has reset the stream before it',
  async t => {
    const app = Fastify({ http2: true })
    for (const name of ['hub', 'request-caller', 'bodies', 'server-state']) {
      await app.register(fp(async () => {}, { name }))
    }
    app.decorateRequest('caller', { getter: () => ADA })
    await app.register(memory, { processes: 1, answerTimeoutMs: 1_000 })
    const answered: string[] = []
    app.addHook('onSend', async ({ url }) => void answered.push(`${url} ${app.transfers.held}`))
    app.get('/late', async ({ raw }) => {
      answered.push('waits')
      await once(raw, 'close')
      return LARGE
    })
    app.get('/', async () => LARGE)
    const session = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
    t.teardown(() => app.close())
    t.teardown(() => session.destroy())

    const whole = session.request({ ':path': '/' })
    t.equal((await whole.setEncoding('utf8').toArray()).join(''), LARGE)
    await until('nothing is charged', () => app.transfers.held === 0)
    t.strictSame(answered, ['/ 100000'])

    const early = session.request({ ':path': '/late' })
    await until('the request', () => answered.includes('waits'))
    early.close()
    await until('the answer', () => answered.length === 3)

    t.equal(answered[2], '/late 0')
    t.equal(app.transfers.held, 0)
  },
)
