import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import { acknowledge, call, consumerOf, create, numbered, numbers, open, openWhenFree } from './client.js'

const COUNT = (n: number) => Array.from({ length: n }, (_, index) => numbered(index + 1))

t.test('consumers', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const first = await startGateway(t, { databaseUrl })
  const second = await startGateway(t, { databaseUrl })
  const ids = await publish(first, COUNT(6))

  t.test('it hands out from the cursor of the server, whatever the client brings', async t => {
    await create(first, 'own', { max_in_flight: 10, ack_timeout_ms: 60_000 })

    const stream = await open(t, first, 'own', '?from=now&lastEventId=4', { 'last-event-id': ids[2] ?? '' })
    await stream.until(6, 'thing.made')

    t.strictSame(numbers(stream), [1, 2, 3, 4, 5, 6])
    t.equal(stream.response.headers['sluice-consumer-epoch'], '1')
    t.equal(stream.response.headers['x-sluice-ignored'], 'from, lastEventId, Last-Event-ID')
    t.match(JSON.parse(stream.messages[0]?.data ?? ''), {
      consumer: { name: 'own', epoch: 1, ack_timeout_ms: 60_000, max_in_flight: 10 },
      ignored: ['from', 'lastEventId', 'Last-Event-ID'],
    })
    await until('it is live', async () => (await clients(first, 'own'))[0]?.state === 'live')
    t.match(await clients(first, 'own'), [
      { consumer: { name: 'own', epoch: 1 }, state: 'live', stream: 'feed' },
    ])
  })

  t.test('no more events are in flight than the window allows, wherever the client acknowledges', async t => {
    await create(first, 'window', { max_in_flight: 2 })
    const stream = await open(t, first, 'window')
    const { epoch } = consumerOf(await streamWith(stream, 2))

    t.match(await clients(first, 'window'), [{ state: 'unacknowledged', cursor: ids[1] }])
    t.strictSame(numbers(stream), [1, 2])
    t.match(await acknowledge(first, 'window', ids[0], epoch), { status: 200, body: { cursor: ids[0] } })
    await streamWith(stream, 3)
    t.match(await clients(first, 'window'), [{ state: 'unacknowledged', cursor: ids[2] }])
    t.strictSame(numbers(stream), [1, 2, 3])
    t.match(await acknowledge(second, 'window', ids[2], epoch), { status: 200 })
    await streamWith(stream, 5)
    t.match(await clients(first, 'window'), [{ state: 'unacknowledged', cursor: ids[4] }])
    t.strictSame(numbers(stream), [1, 2, 3, 4, 5])
    t.match(await acknowledge(first, 'window', ids[1], epoch), { status: 200, body: { cursor: ids[2] } })
  })

  t.test('what is not acknowledged in time is handed out again, in order, on the same stream', async t => {
    await create(first, 'again', { max_in_flight: 3, ack_timeout_ms: 1_000 })
    const stream = await open(t, first, 'again')

    await streamWith(stream, 6)
    t.strictSame(numbers(stream).slice(0, 6), [1, 2, 3, 1, 2, 3])
    await acknowledge(second, 'again', ids[0])
    await stream.until(() => numbers(stream).includes(4), 'thing.made')
    // On a busy machine the next round is there with it.
    const next = numbers(stream).indexOf(4) + 1
    await streamWith(stream, next + 3)
    t.strictSame(numbers(stream).slice(next, next + 3), [2, 3, 4])
  })

  t.test('one client holds it; another takes over when it is gone, or with takeover=true', async t => {
    await create(first, 'held', { ack_timeout_ms: 60_000 })
    const holder = await open(t, first, 'held')
    await streamWith(holder, 6)

    const standby = await open(t, second, 'held')
    await standby.ended()
    t.match(standby.messages, [{ event: 'unavailable', data: '{"reason":"held"}' }])
    t.equal(standby.retries.length, 1)
    const lines = await fetch(`${second.url}/api/consumers/held/events`, {
      headers: { ...as('editor'), accept: 'application/x-ndjson' },
    })
    t.match(await lines.json(), { status: 409, code: 'consumer-held', retry_after: 5 })

    const other = await open(t, second, 'held', '?takeover=true')
    await streamWith(other, 6)
    t.match(await holder.until(1, 'unavailable'), [{ data: '{"reason":"taken-over"}', id: ids[5] }])
    t.ok(await holder.ended())
    t.equal(holder.retries.length, 2)
    t.match(await acknowledge(first, 'held', ids[5], consumerOf(holder).epoch), {
      status: 409,
      body: { code: 'consumer-lost' },
    })
    t.match(await acknowledge(first, 'held', ids[1], consumerOf(other).epoch), { status: 200 })

    other.close()
    const last = await openWhenFree(t, first, 'held')
    await streamWith(last, 4)
    t.strictSame(numbers(last), [3, 4, 5, 6])
    const again = await open(t, first, 'held', `?epoch=${consumerOf(last).epoch}`)
    await streamWith(again, 4)
    await last.until(1, 'unavailable')
  })

  t.test('a HEAD request takes it from nobody', async t => {
    await create(first, 'head')
    const holder = await open(t, first, 'head')
    await streamWith(holder, 6)

    for (const accept of ['text/event-stream', 'application/json']) {
      const { status } = await fetch(`${first.url}/api/consumers/head/events?takeover=true`, {
        method: 'HEAD',
        headers: { ...as('editor'), accept },
      })
      t.equal(status, 200)
    }
    t.match(await acknowledge(first, 'head', ids[5], consumerOf(holder).epoch), { status: 200 })
  })

  t.test('in maintenance its events are handed out and acknowledged as ever', async t => {
    await create(first, 'maintained', { max_in_flight: 3 })
    const holder = await open(t, first, 'maintained')
    const mode = (mode: string) =>
      fetch(`${first.url}/api/server/state`, {
        method: 'PUT',
        headers: { ...as('admin'), 'content-type': 'application/json' },
        body: JSON.stringify({ mode }),
      })
    await mode('maintenance')
    const late = await call(first, 'PUT', 'too-late', {})
    await streamWith(holder, 3)
    const acknowledged = await acknowledge(first, 'maintained', ids[2], consumerOf(holder).epoch)
    await mode('normal')

    t.match(late, { status: 503, body: { code: 'maintenance' } })
    t.match(acknowledged, { status: 200, body: { cursor: ids[2] } })
    await streamWith(holder, 6)
    await until(
      'changes are accepted again',
      async () => (await call(second, 'PUT', 'in-time', {})).status === 201,
    )
  })

  t.test('a seek ends the stream, and the client continues at the new place', async t => {
    for (const gateway of [first, second]) {
      const name = `sought-${gateway === first}`
      await create(first, name)
      const holder = await open(t, first, name)
      await streamWith(holder, 6)

      t.match(await call(gateway, 'POST', `${name}/seek`, { to: ids[3] }), { status: 200 })
      t.match(await holder.until(1, 'unavailable'), [{ data: '{"reason":"sought"}' }])
      t.match(await acknowledge(first, name, ids[5], consumerOf(holder).epoch), { status: 409 })
      const next = await open(t, first, name)
      await streamWith(next, 2)
      t.strictSame(numbers(next), [5, 6])
    }
  })

  t.test('the cursor moves over events that the filter leaves out', async t => {
    await create(first, 'filtered', { types: 'no.such' })
    const holder = await open(t, first, 'filtered')
    await until(
      'it has passed over the events',
      async () => (await clients(first, 'filtered'))[0]?.cursor === ids[5],
    )

    holder.close()
    await openWhenFree(t, first, 'filtered')

    t.match((await call(first, 'GET', 'filtered')).body, { cursor: ids[5], lag: { events: 0 }, in_flight: 0 })
  })

  t.test('a client whose cursor is lost gets a reset, and continues at the head', async t => {
    const old = await publish(first, COUNT(4), { stream: 'short' })
    await create(first, 'lost', { stream: 'short', max_in_flight: 2, ack_timeout_ms: 1_000 })
    await create(first, 'lost-before', { stream: 'short' })
    const holder = await open(t, first, 'lost')
    await streamWith(holder, 2)

    await pool.query(
      `with short as (update sluice.streams set oldest_at = '-infinity' where name = 'short' returning id)
       update sluice.events e set at = at - interval '60 days' from short where stream_id = short.id and position <= 3`,
    )
    await pool.query(`select sluice.retain('feed', interval '30 days', 1000)`)
    first.app.hub.shed()
    const resets = await holder.until(1, 'reset')
    const late = await open(t, second, 'lost-before')
    await late.until(1, 'reset')

    t.match(JSON.parse(resets[0]?.data ?? ''), { reason: 'retention', earliest: old[2], head: old[3] })
    const next = await publish(first, [numbered(5)], { stream: 'short' })
    for (const stream of [holder, late]) await stream.until(found => found.some(({ id }) => id === next[0]))
    t.match(await acknowledge(second, 'lost', next[0]), { status: 200, body: { cursor: next[0] } })
    const { head } = JSON.parse((await late.until(1, 'reset'))[0]?.data ?? '')
    t.match(await acknowledge(first, 'lost-before', head), { status: 200, body: { cursor: head } })
    late.close()
    const after = await openWhenFree(t, first, 'lost-before')
    await streamWith(after, 1)
    t.strictSame(numbers(after), [5])
  })

  t.test(
    'a consumer of a deleted stream continues with the next stream of its name, from its beginning',
    async t => {
      await publish(first, COUNT(2), { stream: 'brief' })
      await create(first, 'deleted', { stream: 'brief' })
      const holder = await open(t, first, 'deleted')
      await streamWith(holder, 2)

      await fetch(`${first.url}/api/streams/brief`, { method: 'DELETE', headers: as('admin') })
      t.match(await holder.until(1, 'reset'), [{ data: /"deleted"/ }])
      t.ok(await holder.ended())
      t.match(await acknowledge(second, 'deleted', '0', consumerOf(holder).epoch), { status: 200 })
      await until('it is free, and there is no stream', async () => (await statusOf(t, 'deleted')) === 404)
      // Not in the row: the lag watch clears the loss there once the client has acknowledged it.
      await until('the workspace knows of the loss', async () => {
        const { rows } = await pool.query(
          `select from sluice.events where type = 'consumer.lagging' and data::jsonb @> '{"consumer":"deleted","lost":true}'`,
        )
        return rows.length === 1
      })
      await publish(first, COUNT(3), { stream: 'brief' })
      const next = await openWhenFree(t, first, 'deleted')
      await streamWith(next, 3)

      t.strictSame(numbers(next), [1, 2, 3])
    },
  )

  t.test('a closed stream ends once everything of it is acknowledged', async t => {
    const [last] = await publish(first, [numbered(1)], { stream: 'done' })
    await create(first, 'ending', { stream: 'done', ack_timeout_ms: 1_000 })
    const holder = await open(t, first, 'ending')
    await fetch(`${first.url}/api/streams/done/close`, { method: 'POST', headers: as('admin') })

    await streamWith(holder, 2)
    t.strictSame(numbers(holder).slice(0, 2), [1, 1])
    await acknowledge(first, 'ending', last)

    t.ok(await holder.ended())
    await until('it is free, and has no more events', async () => (await statusOf(t, 'ending')) === 204)
  })

  t.test('an event that is redacted is handed out again without its data', async t => {
    const [id] = await publish(first, [{ type: 'thing.made', data: { n: 1, secret: 'x' } }], {
      stream: 'secrets',
    })
    await create(first, 'redacted', { stream: 'secrets', ack_timeout_ms: 1_000 })
    const holder = await open(t, first, 'redacted')
    await streamWith(holder, 1)

    await fetch(`${first.url}/api/events/${id}/redact?stream=secrets`, {
      method: 'POST',
      headers: { ...as('admin'), 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'erased' }),
    })
    // What was on its way before the redaction comes first.
    const isRedacted = ({ data }: { data: string }) => JSON.parse(data).redacted === true
    await holder.until(found => found.some(message => message.id === id && isRedacted(message)))

    t.match(JSON.parse(holder.messages.findLast(message => message.id === id)?.data ?? ''), {
      redacted: true,
      reason: 'erased',
    })
  })

  t.test('revoked credentials lose the consumer, and a process that stops gives it up at once', async t => {
    await create(first, 'leaving')
    const revoked = await openStream(t, `${first.url}/api/consumers/leaving/events`, {
      headers: bearer(token({ role: 'editor', sub: 'mallory' })),
    })
    await streamWith(revoked, 6)
    await fetch(`${second.url}/api/revocations`, {
      method: 'POST',
      headers: { ...as('admin'), 'content-type': 'application/json' },
      body: JSON.stringify({ subject: 'mallory' }),
    })
    await revoked.until(1, 'auth-revoked')
    const third = await startGateway(t, { databaseUrl })
    const holder = await openWhenFree(t, third, 'leaving')
    await streamWith(holder, 6)

    await third.close()

    t.match(await holder.until(2, 'server.state'), [{}, { data: '{"mode":"draining"}' }])
    t.equal((await call(first, 'GET', 'leaving')).body.holder, null)
  })

  async function statusOf(t: Test, name: string): Promise<number | undefined> {
    const stream = await open(t, first, name)
    stream.close()
    return stream.response.statusCode
  }

  t.test('another workspace has no such consumer, and a viewer may not take it', async t => {
    await create(first, 'mine')
    const path = `${first.url}/api/consumers/mine/events`

    t.equal((await fetch(path, { headers: as('editor', 'globex') })).status, 404)
    t.equal((await fetch(path, { headers: as('viewer') })).status, 403)
  })
})

async function streamWith<Stream extends Awaited<ReturnType<typeof open>>>(stream: Stream, events: number) {
  await stream.until(events, 'thing.made')
  return stream
}

interface Client {
  readonly consumer: { readonly name: string } | null
  readonly state: string
  readonly cursor: string | null
}

/** The clients of this process that hold the consumer. */
async function clients({ url }: Gateway, name: string): Promise<Client[]> {
  const response = await fetch(`${url}/api/clients`, { headers: as('admin') })
  const { clients } = (await response.json()) as { clients: Client[] }
  return clients.filter(({ consumer }) => consumer?.name === name)
}
