/** Creating, confirming, linking and deleting subscriptions, and who may. */
import t from 'tap'
import { as } from '../../../harness/gateway.js'
import { offset, requestsTo, startWakingGateway } from './wakes.js'

const HOOK = { type: 'webhook', pattern: 'events/*', webhook: { url: 'https://example.com/hook' } }

t.test('the same configuration is confirmed, in any order and form; another one is refused', async t => {
  const { put } = requestsTo(await startWakingGateway(t))
  const config = { ...HOOK, streams: ['b', 'a'], lease_ttl_ms: 30_000 }

  const answers = [
    await put('sub', config),
    await put('sub', { ...HOOK, streams: ['a', 'b', 'a'] }),
    await put('sub', { ...config, description: 'another' }),
    await put('sub', { ...config, lease_ttl_ms: 2_000 }),
  ]

  t.same(
    answers.map(({ status, body }) => [status, body.error?.code]),
    [
      [201, undefined],
      [200, undefined],
      [409, 'SUBSCRIPTION_ALREADY_EXISTS'],
      [409, 'SUBSCRIPTION_ALREADY_EXISTS'],
    ],
  )
})

t.test('URLs of this network, and those that only look public, are refused', async t => {
  const { put } = requestsTo(
    await startWakingGateway(t, { env: { WEBHOOK_ALLOWED_NETWORKS: '203.0.113.7/32' } }),
  )
  const urls = [
    'http://10.0.0.1/hook',
    'https://10.0.0.1/hook',
    'https://127.0.0.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://user:pass@example.com/',
    'http://8.8.8.8/',
    'file:///etc/passwd',
    'https://example.com:25/',
  ]

  for (const url of urls) {
    const { status, body } = await put('sub', { ...HOOK, webhook: { url } })
    t.same([url, status, body.error?.code], [url, 400, 'WEBHOOK_URL_REJECTED'])
  }
})

t.test('configurations that do not fit together are refused with a text', async t => {
  const gateway = await startWakingGateway(t)
  const { put, append } = requestsTo(gateway)
  await append('wake')
  await fetch(`${gateway.url}/v1/stream/text`, {
    method: 'PUT',
    headers: { ...as('admin'), 'content-type': 'text/plain' },
  })
  const pull = { type: 'pull-wake', wake_stream: 'wake', pattern: 'a/*' }
  const configs = [
    { ...HOOK, pattern: undefined },
    { ...HOOK, webhook: undefined },
    { ...HOOK, wake_stream: 'wake' },
    { ...pull, wake_stream: undefined },
    { ...pull, wake_stream: 'missing' },
    { ...pull, wake_stream: 'text' },
    { ...pull, webhook: HOOK.webhook },
    { ...pull, streams: ['wake'] },
    { ...pull, pattern: 'a*b' },
    { ...pull, pattern: 'a/../b' },
    { ...pull, pattern: 'a//b' },
    { ...pull, description: 'a\0b' },
    { ...pull, lease_ttl_ms: 999 },
    { ...pull, lease_ttl_ms: 600_001 },
  ]

  for (const config of configs) t.equal((await put('sub', config)).status, 400, JSON.stringify(config))
})

t.test('an explicit link hides the link of the pattern, and leaves it when it is removed', async t => {
  const { put, get, send, append } = requestsTo(await startWakingGateway(t))
  await append('events/a')
  await put('sub', { ...HOOK, streams: ['manual/a'] })

  const added = await send('POST', '/subscriptions/sub/streams', { streams: ['events/a', 'manual/b'] })
  const with2 = await get('sub')
  const removed = [
    await send('DELETE', `/subscriptions/sub/streams/${encodeURIComponent('events/a')}`),
    await send('DELETE', '/subscriptions/sub/streams/manual/b'),
    await send('DELETE', '/subscriptions/sub/streams/absent'),
  ]
  const after = await get('sub')

  t.equal(added.status, 204)
  t.same(with2.body.streams, [
    { path: 'events/a', link_type: 'explicit', acked_offset: offset(1) },
    { path: 'manual/a', link_type: 'explicit', acked_offset: offset(0) },
    { path: 'manual/b', link_type: 'explicit', acked_offset: offset(0) },
  ])
  t.same(
    removed.map(({ status }) => status),
    [204, 204, 204],
  )
  t.same(after.body.streams, [
    { path: 'events/a', link_type: 'glob', acked_offset: offset(1) },
    { path: 'manual/a', link_type: 'explicit', acked_offset: offset(0) },
  ])
})

t.test('another workspace sees and changes nothing, and roles decide', async t => {
  const gateway = await startWakingGateway(t)
  const { put, send, append } = requestsTo(gateway)
  const other = requestsTo(gateway, 'evil')
  await append('wake')
  const pull = { type: 'pull-wake', wake_stream: 'wake', pattern: 'a/*' }
  await put('sub', pull)
  const path = '/subscriptions/sub'

  t.equal((await other.get('sub')).status, 404)
  t.equal((await other.claim('sub')).status, 404)
  t.equal((await other.send('DELETE', path)).status, 404)
  t.equal((await other.send('POST', `${path}/streams`, { streams: ['a'] })).status, 404)
  t.equal((await put('hook', HOOK, as('editor'))).status, 403)
  t.equal((await put('pull', pull, as('editor'))).status, 201)
  t.equal((await put('view', pull, as('viewer'))).status, 403)
  t.equal((await send('GET', path, undefined, as('viewer'))).status, 200)
  t.equal((await send('DELETE', path, undefined, as('viewer'))).status, 403)
  t.equal((await send('DELETE', path)).status, 204)
  t.equal((await send('GET', path)).status, 404)
})

t.test('the audit log names what was done, and the host only of a URL', async t => {
  const { url, ...gateway } = await startWakingGateway(t)
  const { put, send } = requestsTo({ url, ...gateway })
  await put('sub', { ...HOOK, webhook: { url: 'https://example.com/secret-path' } })
  await send('POST', '/subscriptions/sub/streams', { streams: ['a'] })
  await send('DELETE', '/subscriptions/sub')

  const { body } = await send('GET', `${url}/api/audit`)

  t.match(body.entries.map(({ action }: { action: string }) => action).reverse(), [
    'subscription.created',
    'subscription.changed',
    'subscription.deleted',
  ])
  t.notMatch(JSON.stringify(body), /secret-path/)
})
