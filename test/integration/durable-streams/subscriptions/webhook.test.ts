/** Wakes of webhooks: signed, acknowledged by their answer or by a callback, retried, fenced. */
import { createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { until } from '../../../harness/until.js'
import { acksOf, offset, requestsTo, startReceiver, startWakingGateway } from './wakes.js'

t.test(
  'an answer that says done acknowledges what the wake has named, and the next event wakes again',
  async t => {
    const receiver = await startReceiver(t)
    receiver.answer = () => ({ status: 200, body: { done: true } })
    const { put, get, append } = requestsTo(await startWakingGateway(t))
    await append('events/old')

    const created = await put('sub-1', {
      type: 'webhook',
      pattern: 'events/*',
      webhook: { url: receiver.url },
    })
    await append('events/new')
    const first = await receiver.wake(0)
    await until('it is acknowledged', async () =>
      (await get('sub-1')).body.streams.some(
        (stream: { path: string; acked_offset: string }) =>
          stream.path === 'events/new' && stream.acked_offset === offset(1),
      ),
    )
    await append('events/old')
    const second = await receiver.wake(1)

    t.match(created, {
      status: 201,
      body: {
        id: 'sub-1',
        status: 'active',
        streams: [{ path: 'events/old', link_type: 'glob', acked_offset: offset(1) }],
      },
    })
    t.match(first.wake, {
      subscription_id: 'sub-1',
      generation: 1,
      streams: [
        {
          path: 'events/new',
          link_type: 'glob',
          acked_offset: offset(0),
          tail_offset: offset(1),
          has_pending: true,
        },
      ],
    })
    t.match(second.wake, {
      generation: 2,
      streams: [{ path: 'events/old', acked_offset: offset(1), tail_offset: offset(2) }],
    })
    t.not(second.wake.wake_id, first.wake.wake_id)
  },
)

t.test('a receiver can verify a request with the published key, and no other body fits', async t => {
  const receiver = await startReceiver(t)
  const { base, put, append } = requestsTo(await startWakingGateway(t))
  await put('signed', { type: 'webhook', pattern: '**', webhook: { url: receiver.url } })
  await append('a/b/c')
  const { raw, headers } = await receiver.wake(0)
  const [, seconds, kid, signature = ''] =
    /^t=(\d+),kid=(.+),ed25519=([\w-]+)$/.exec(String(headers['webhook-signature'])) ?? []

  const response = await fetch(`${base}/jwks.json`)
  const { keys } = (await response.json()) as { keys: { kid: string }[] }
  const jwk = keys.find(key => key.kid === kid)
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  const fits = (body: Buffer) =>
    verify(null, Buffer.concat([Buffer.from(`${seconds}.`), body]), key, Buffer.from(signature, 'base64url'))

  t.match(response.headers.get('content-type'), /^application\/jwk-set\+json/)
  t.equal(fits(raw), true)
  t.equal(fits(Buffer.concat([raw, Buffer.from(' ')])), false)
})

t.test('a callback acknowledges once; the same again is fenced', async t => {
  const receiver = await startReceiver(t)
  const { put, send, append } = requestsTo(await startWakingGateway(t))
  await put('sub', { type: 'webhook', pattern: 'events/*', webhook: { url: receiver.url } })
  await append('events/a')
  const { wake } = await receiver.wake(0)
  const headers = { authorization: `Bearer ${wake.callback_token}` }
  const { wake_id, generation } = wake
  const body = { wake_id, generation, acks: acksOf(wake.streams), done: true }

  const wrong = await send('POST', wake.callback_url, { ...body, wake_id: 'w_other' }, headers)
  const beyond = await send(
    'POST',
    wake.callback_url,
    { ...body, acks: [{ stream: 'events/a', offset: offset(2) }] },
    headers,
  )
  const done = await send('POST', wake.callback_url, body, headers)
  const again = await send('POST', wake.callback_url, body, headers)

  t.match(
    [wrong, beyond],
    [
      { status: 409, body: { code: 'wake-fenced', error: { code: 'FENCED' } } },
      { status: 400, body: { error: { code: 'INVALID_REQUEST' } } },
    ],
  )
  t.same(done, { status: 200, body: { ok: true, next_wake: false } })
  t.match(again, { status: 409, body: { error: { code: 'FENCED' } } })
})

t.test('a wake whose lease ends is sent again, with a generation that fences the first', async t => {
  const receiver = await startReceiver(t)
  const { put, send, append } = requestsTo(await startWakingGateway(t))
  await put('sub', { type: 'webhook', pattern: 'a', webhook: { url: receiver.url }, lease_ttl_ms: 1_000 })
  await append('a')

  const first = await receiver.wake(0)
  const second = await receiver.wake(1)
  const { wake_id, generation, callback_url, callback_token } = first.wake
  const late = await send(
    'POST',
    callback_url,
    { wake_id, generation, done: true },
    {
      authorization: `Bearer ${callback_token}`,
    },
  )

  t.equal(second.wake.generation, 2)
  t.match(late, { status: 409, body: { error: { code: 'FENCED' } } })
})

t.test('a failed attempt is repeated after about a second, and shown as failed meanwhile', async t => {
  const receiver = await startReceiver(t)
  receiver.answer = () => ({ status: 500 })
  const { put, get, append } = requestsTo(await startWakingGateway(t))
  await put('sub', { type: 'webhook', pattern: 'a', webhook: { url: receiver.url } })
  await append('a')

  const first = await receiver.wake(0)
  await until('it is shown as failed', async () => (await get('sub')).body.status === 'failed')
  const second = await receiver.wake(1)
  receiver.answer = () => ({ status: 200, body: { done: true } })
  const third = await receiver.wake(2)
  await until('it is active again', async () => (await get('sub')).body.status === 'active')

  t.ok(second.at - first.at > 750, 'not before 0.8 s')
  t.ok(third.at - second.at > 1_550, 'twice the pause, less 20 %')
  t.same([second.wake.generation, third.wake.generation], [2, 3])
})
