/** clients/typescript and the end of its credentials, on a real gateway. */
import t from 'tap'
import { createClient } from '../../../../clients/typescript/src/client.js'
import { as, startGateway } from '../../../harness/gateway.js'
import { secondsFromNow, token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'

const PATIENCE_MS = 30_000
/** The client renews them after half of that. */
const RENEWED_S = 20

t.test('credentials are renewed in the stream before they expire: the connection stays', async t => {
  const { url } = await startGateway(t)
  const issued: string[] = []
  const credentials = async () => {
    issued.push(token({ role: 'editor', exp: secondsFromNow(issued.length === 0 ? RENEWED_S : 3_600) }))
    return issued.at(-1) ?? ''
  }
  const client = createClient({ url, credentials })
  const states: string[] = []
  const notices: string[] = []
  const feed = client.feed({
    onState: ({ name }) => states.push(name),
    onNotice: ({ type }) => notices.push(type),
  })
  const received: unknown[] = []
  const following = feed.each(({ data }) => received.push(data))
  const ofCredentials = () => notices.filter(type => type.startsWith('auth-'))
  await until('the credentials are renewed or end', () => ofCredentials().length > 0, PATIENCE_MS)
  t.strictSame(ofCredentials(), ['auth-renewed'])
  await client.publish({ type: 'door.opened', data: { door: 1 } })
  await until('the event has arrived', () => received.length === 1)
  feed.close()
  await following

  t.strictSame(states, ['connecting', 'open', 'closed'])
  t.equal(issued.length, 2)
})

t.test(
  'credentials that end without a renewal: the feed gets new ones, once, and misses nothing',
  async t => {
    const gateway = await startGateway(t)
    let asked = 0
    const credentials = async () => {
      asked += 1
      // The client does not see when it ends.
      const claims = token({ role: 'editor', exp: secondsFromNow(asked === 1 ? 2 : 3_600) })
      return { token: claims, expiresAt: Date.now() + 3_600_000 }
    }
    const client = createClient({ url: gateway.url, credentials, retry: 20 })
    const notices: string[] = []
    const received: unknown[] = []
    const feed = client.feed({ onNotice: ({ type }) => notices.push(type) })
    const following = feed.each(({ data }) => received.push(data)).catch(error => error)
    await until('the credentials have expired', () => notices.includes('auth-expired'), PATIENCE_MS)
    await client.publish({ type: 'door.opened', data: { door: 1 } })
    const isOver = () => received.length === 1 || feed.state.name === 'closed'
    await until('the event has arrived, or the feed has ended', isOver, PATIENCE_MS)
    feed.close()

    t.equal(await following, undefined, 'the feed goes on')
    t.equal(asked, 2)
    t.strictSame(received, [{ door: 1 }])
  },
)

t.test('many requests that are refused at the same time ask for new credentials once', async t => {
  const { url } = await startGateway(t)
  let asked = 0
  const credentials = async () => {
    asked += 1
    return asked === 1 ? 'bad.token' : token({ role: 'editor' })
  }
  const client = createClient({ url, credentials })

  const answers = await Promise.all([1, 2, 3].map(() => client.items.list().all()))

  t.equal(asked, 2)
  t.match(answers, [{ entries: [] }, { entries: [] }, { entries: [] }])
})

t.test('a feed ends when its credentials are refused or revoked, and says why', async t => {
  const { url } = await startGateway(t)
  const bad = createClient({
    url,
    credentials: token({ role: 'editor' }, {}, 'a secret that the gateway does not have'),
  })
  const revoked = createClient({ url, credentials: token({ sub: 'eve' }) })
  const feed = revoked.feed()
  const following = feed.each(() => {}).catch(error => error)
  await until('the feed is open', () => feed.state.name === 'open')
  await fetch(`${url}/api/revocations`, {
    method: 'POST',
    headers: { ...as('admin'), 'content-type': 'application/json' },
    body: JSON.stringify({ subject: 'eve' }),
  })

  const refused = await bad
    .feed()
    .each(() => {})
    .catch(error => error)
  const ended = await following

  t.match(refused, {
    name: 'RefusedError',
    code: 'token-invalid',
    status: 401,
    requestId: String,
    detail: String,
  })
  t.match(ended, { name: 'RefusedError', code: 'auth-revoked' })
  t.match(feed.state, { name: 'closed', reason: 'auth-revoked' })
})
