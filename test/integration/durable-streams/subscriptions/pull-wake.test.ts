/** Wakes that workers claim: one holder at a time, fenced by generation and wake. */
import t from 'tap'
import { createDatabase } from '../../../harness/database.js'
import { as } from '../../../harness/gateway.js'
import { until } from '../../../harness/until.js'
import { acksOf, offset, requestsTo, startWakingGateway } from './wakes.js'

const POOL = { type: 'pull-wake', pattern: 'events/*', wake_stream: 'wake/pool' }

t.test('a wake is written to the wake stream, claimed, acknowledged and done', async t => {
  const gateway = await startWakingGateway(t)
  const { put, claim, work, append, send } = requestsTo(gateway)
  await append('wake/pool')
  await put('pull', POOL)
  await append('events/a')
  const wakes = async () =>
    (
      await send('GET', `${gateway.url}/api/events?stream=wake/pool`, undefined, {
        ...as('viewer'),
        accept: 'application/json',
      })
    ).body.events.slice(1)
  await until('the wake is written', async () => (await wakes()).length > 0)

  const claimed = await claim('pull')
  const busy = await claim('pull', 'worker-2')
  const { wake_id, generation, token, streams } = claimed.body
  const kept = await work('pull', 'ack', token, { wake_id, generation })
  const done = await work('pull', 'ack', token, { wake_id, generation, acks: acksOf(streams), done: true })
  const idle = await claim('pull')
  await append('events/a')
  const next = await claim('pull')
  const released = await work('pull', 'release', next.body.token, {
    wake_id: next.body.wake_id,
    generation: next.body.generation,
  })
  const stale = await work('pull', 'ack', token, { wake_id, generation })

  t.match(await wakes(), [
    {
      type: 'chunk',
      data: { json: { type: 'wake', subscription_id: 'pull', stream: 'events/a', generation: 1 } },
    },
  ])
  t.match(claimed, {
    status: 200,
    body: { generation: 1, lease_ttl_ms: 30_000, streams: [{ tail_offset: offset(1) }] },
  })
  t.match(busy, {
    status: 409,
    body: { error: { code: 'ALREADY_CLAIMED', current_holder: 'worker-1', generation: 1 } },
  })
  t.same(
    [kept, done],
    [1, 2].map(() => ({ status: 200, body: { ok: true, next_wake: false } })),
  )
  t.match(idle, { status: 409, body: { error: { code: 'NO_PENDING_WORK' } } })
  t.match(next, { status: 200, body: { generation: 2 } })
  t.equal(released.status, 204)
  t.match(stale, { status: 409, body: { error: { code: 'FENCED' } } })
  await until('the released wake is written again', async () => (await wakes()).length > 1)
})

t.test('of workers that claim at once on two gateways, one holds each generation', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const gateways = await Promise.all([
    startWakingGateway(t, { databaseUrl }),
    startWakingGateway(t, { databaseUrl }),
  ])
  const clients = gateways.map(gateway => requestsTo(gateway))
  const [first] = clients
  if (!first) throw new Error('No gateway.')
  await first.append('wake/pool')
  await first.put('pull', { ...POOL, lease_ttl_ms: 1_000 })
  const held = new Map<number, string>()
  const seen = new Map<string, number>()
  const events = 20
  let over = false

  async function workOn(number: number): Promise<void> {
    const client = clients[number % 2] ?? first
    for (let turn = 0; !over; turn += 1) {
      const name = `worker-${number}`
      const claimed = await client?.claim('pull', name)
      if (claimed?.status !== 200) {
        await new Promise(resolve => setTimeout(resolve, 5))
        continue
      }
      const { wake_id, generation, token, streams } = claimed.body
      if (held.has(generation)) t.fail(`generation ${generation} has two holders`)
      held.set(generation, name)
      // Every third claim is abandoned, as by a worker that dies.
      if (turn % 3 === 2) continue
      const done = await client?.work('pull', 'ack', token, {
        wake_id,
        generation,
        acks: acksOf(streams),
        done: true,
      })
      if (done?.status !== 200) continue
      for (const { path, acked_offset, tail_offset } of streams) {
        if ((seen.get(path) ?? 0) !== Number(acked_offset))
          t.fail(`${path} was acknowledged twice or in part`)
        seen.set(path, Number(tail_offset))
      }
    }
  }
  const workers = [0, 1, 2, 3].map(workOn)
  for (let event = 0; event < events; event += 1) await clients[event % 2]?.append(`events/${event % 4}`)
  await until(
    'all events are acknowledged',
    () => [...seen.values()].reduce((sum, position) => sum + position, 0) === events,
    60_000,
  )
  over = true
  await Promise.all(workers)

  t.equal(seen.size, 4)
  t.ok(held.size > 1)
})

t.test('tokens open their own wake only, and nothing else', async t => {
  const gateway = await startWakingGateway(t)
  const { put, claim, work, append, send } = requestsTo(gateway)
  await append('wake/pool')
  await put('one', POOL)
  await put('two', POOL)
  await append('events/a')
  const { wake_id, generation, token } = (await claim('one')).body
  const body = { wake_id, generation }
  const [content = '', mac = ''] = String(token).split('.')
  const forged = Buffer.from(content, 'base64url').toString().replace(' acme', ' evil')

  const answers = [
    await work('two', 'ack', token, body),
    await work('one', 'callback', token, body),
    await work('one', 'ack', `${Buffer.from(forged).toString('base64url')}.${mac}`, body),
    await work('one', 'ack', `${content}.${'A'.repeat(43)}`, body),
    await work('one', 'ack', '', body),
    await send('POST', '/subscriptions/one/ack', body, as('admin')),
  ]
  const own = await work('one', 'ack', token, { ...body, generation: 2 })
  const elsewhere = await send('GET', `${gateway.url}/api/events`, undefined, {
    authorization: `Bearer ${token}`,
  })
  await send('DELETE', '/subscriptions/one')
  await put('one', POOL)
  const recreated = await work('one', 'ack', token, body)

  for (const answer of answers) t.match(answer, { status: 401, body: { error: { code: 'TOKEN_INVALID' } } })
  t.match(own, { status: 409, body: { error: { code: 'FENCED' } } })
  t.equal(elsewhere.status, 401)
  t.equal(recreated.status, 401)
})

// SLUICE_SEED=4711 of test/end-to-end/hardening/mutations.test.ts found it: the database cannot store U+0000, and it was a 500.
t.test('names that the database cannot store are refused', async t => {
  const { put, claim, work, append } = requestsTo(await startWakingGateway(t))
  await append('wake/pool')
  await put('pull', POOL)
  await append('events/a')

  const ofWorkers = await Promise.all(['\0', 'a\ud800'].map(worker => claim('pull', worker)))
  const { generation, token } = (await claim('pull')).body
  const ofWake = await work('pull', 'release', token, { wake_id: '\0', generation })

  for (const { status, body } of [...ofWorkers, ofWake])
    t.match({ status, body }, { status: 400, body: { code: 'invalid-request' } })
})
