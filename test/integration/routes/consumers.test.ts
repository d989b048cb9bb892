/** /api/consumers: creation, change, lag, acknowledgements, seeks and deletion, over HTTP. */
import t, { type Test } from 'tap'
import type { Role } from '../../../src/auth/principal.js'
import type { ConsumerId } from '../../../src/consumers/consumer.js'
import { claimConsumers } from '../../../src/consumers/consumer-rows.js'
import type { ConsumerSignal } from '../../../src/consumers/consumer-signals.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { bearer, token } from '../../harness/tokens.js'

const NODE = '00000000-0000-4000-8000-00000000000a'
const thing = (n: number) => ({ type: 'thing.made', data: { n } })
const things = (count: number) => Array.from({ length: count }, (_, n) => thing(n))

t.test('a PUT creates a consumer, and the same PUT again changes nothing', async t => {
  const { gateway, call, audit } = await start(t)
  const ids = await publish(gateway, things(3))
  const settings = { types: 'thing.*', start: 'beginning', description: 'bills' }

  const made = await call('PUT', 'billing', settings)
  const again = await call('PUT', 'billing', settings)
  const read = await call('GET', 'billing')

  t.match(made, {
    status: 201,
    body: {
      name: 'billing',
      stream: 'feed',
      types: 'thing.*',
      where: null,
      description: 'bills',
      ack_timeout_ms: 30_000,
      max_in_flight: 256,
      cursor: /^0\.[a-z2-7]{6}$/,
      lag: { events: 3 },
      in_flight: 0,
      last_ack_at: null,
      lagging: false,
      holder: null,
      created_by: 'editor-of-acme',
    },
  })
  t.equal(again.status, 200)
  t.same(withoutLag(again.body), withoutLag(made.body))
  t.same(withoutLag(read.body), withoutLag(made.body))
  t.equal(ids.length, 3)
  t.same(await audit(), ['consumer.created'])
})

t.test('a condition may have 4,096 characters of any alphabet', async t => {
  const { call } = await start(t)
  const where = (count: number) => `data.text eq "${'字'.repeat(count)}"`

  const longest = await call('PUT', 'longest', { where: where(4_096 - where(0).length) })
  const longer = await call('PUT', 'longer', { where: where(4_097 - where(0).length) })

  t.match(longest, { status: 201, body: { name: 'longest' } })
  t.match(longer, { status: 400, body: { code: 'invalid-request' } })
})

t.test('a consumer starts now, at an event, or at a time', async t => {
  const { gateway, call } = await start(t)
  const [, second = ''] = await publish(gateway, things(2))
  const before = new Date().toISOString()
  const [third = ''] = await publish(gateway, [thing(3)])

  const now = await call('PUT', 'now', {})
  const after = await call('PUT', 'after', { start: second })
  const since = await call('PUT', 'since', { start: before })
  const foreign = await call('PUT', 'foreign', { start: '2.aaaaaa' })
  const future = await call('PUT', 'future', { start: '99' })
  const nonsense = await call('PUT', 'nonsense', { start: 'soon' })

  t.match(now.body, { cursor: third, lag: { events: 0, seconds: 0 } })
  t.match(after.body, { cursor: second, lag: { events: 1 } })
  t.match(since.body, { cursor: second })
  t.match(foreign, { status: 410, body: { code: 'history-lost', head: third } })
  t.match(future, { status: 410, body: { code: 'unknown-id' } })
  t.match(nonsense, { status: 400, body: { code: 'invalid-event-id' } })
  t.equal((await call('GET', 'foreign')).status, 404)
})

t.test('a change of the filter takes the consumer from its holder; a description does not', async t => {
  const { gateway, call, signals, claim, audit } = await start(t)
  await call('PUT', 'billing', {})
  const holding = await claim('billing')
  const heard = signals(holding.id)

  const described = await call('PUT', 'billing', { description: 'for bills' })
  const narrowed = await call('PUT', 'billing', { types: 'thing.*', max_in_flight: 1 })
  await publish(gateway, [thing(1)], { stream: 'rooms/1' })
  const exists = await call('PUT', 'billing', { stream: 'rooms/1' })

  t.match(described.body, { description: 'for bills', holder: { principal: 'ada', epoch: 1 } })
  t.match(narrowed, {
    status: 200,
    body: { types: 'thing.*', max_in_flight: 1, description: null, holder: null },
  })
  t.match(exists, { status: 409, body: { code: 'consumer-exists' } })
  t.same(heard, [{ kind: 'lost', reason: 'changed' }])
  t.same(await audit(), ['consumer.created', 'consumer.changed', 'consumer.changed'])
})

t.test('what is no filter, no name and no number is refused', async t => {
  const { call } = await start(t)
  const refused = [
    ['billing', { types: 'thing.*.x*' }, 'invalid-types'],
    ['billing', { where: 'data.n ~ 1' }, 'invalid-where'],
    ['billing', { ack_timeout_ms: 999 }, 'invalid-request'],
    ['billing', { max_in_flight: 10_001 }, 'invalid-request'],
    ['billing', { unknown: 1 }, 'invalid-request'],
    ['a%2Fb', {}, 'invalid-request'],
    ['a'.repeat(101), {}, 'invalid-request'],
  ] as const

  const answers = await Promise.all(
    refused.map(async ([name, settings]) => (await call('PUT', name, settings)).body.code),
  )

  t.same(
    answers,
    refused.map(([, , code]) => code),
  )
})

t.test('acknowledgements are cumulative and idempotent, and the cursor never moves back', async t => {
  const { gateway, call, claim, signals } = await start(t)
  const [first = '', second = '', third = ''] = await publish(gateway, things(4))
  await call('PUT', 'billing', { start: 'beginning' })
  const { id, epoch } = await claim('billing', 'editor-of-acme')
  const heard = signals(id)

  const two = await call('POST', 'billing/ack', { id: second, epoch })
  const again = await call('POST', 'billing/ack', { id: second })
  const earlier = await call('POST', 'billing/ack', { id: first, epoch })
  const bare = await call('POST', 'billing/ack', { id: '3', epoch })

  t.match(two, { status: 200, body: { cursor: second, lag: { events: 2 } } })
  t.match([again, earlier], [two, two])
  t.match(bare, { status: 200, body: { cursor: third, lag: { events: 1 } } })
  t.match((await call('GET', 'billing')).body, { cursor: third, last_ack_at: String })
  t.match(heard, [
    { kind: 'acknowledged', epoch, cursor: { position: 2 } },
    { kind: 'acknowledged', epoch, cursor: { position: 3 } },
  ])
})

t.test('an acknowledgement that cannot be right is refused and moves nothing', async t => {
  const { gateway, call, claim } = await start(t)
  const [first = '', second = ''] = await publish(gateway, things(2))
  const made = await call('PUT', 'billing', { start: 'beginning' })
  const { epoch } = await claim('billing')
  await claim('billing', 'bob')

  const answers = {
    old: await call('POST', 'billing/ack', { id: first, epoch }),
    ofAnother: await call('POST', 'billing/ack', { id: first }),
    beyond: await call('POST', 'billing/ack', { id: '3.aaaaaa', epoch: epoch + 1 }),
    foreign: await call('POST', 'billing/ack', { id: '2.aaaaaa', epoch: epoch + 1 }),
    nonsense: await call('POST', 'billing/ack', { id: 'x', epoch: epoch + 1 }),
    unknown: await call('POST', 'unknown/ack', { id: second }),
  }

  t.match(answers, {
    old: { status: 409, body: { code: 'consumer-lost' } },
    ofAnother: { status: 409, body: { code: 'consumer-lost' } },
    beyond: { status: 409, body: { code: 'not-handed-out' } },
    foreign: { status: 409, body: { code: 'not-handed-out' } },
    nonsense: { status: 400, body: { code: 'invalid-event-id' } },
    unknown: { status: 404, body: { code: 'not-found' } },
  })
  t.equal((await call('GET', 'billing')).body.cursor, made.body.cursor)
})

t.test('a seek moves the cursor anywhere, and the holder has lost the consumer', async t => {
  const { gateway, call, claim, signals, audit } = await start(t)
  const [first = '', , third = ''] = await publish(gateway, things(3))
  await call('PUT', 'billing', { start: 'beginning' })
  const { id, epoch } = await claim('billing')
  await call('POST', 'billing/ack', { id: third, epoch })
  const heard = signals(id)

  const back = await call('POST', 'billing/seek', { to: first })
  const byTheOldEpoch = await call('POST', 'billing/ack', { id: third, epoch })
  const withoutEpoch = await call('POST', 'billing/ack', { id: third })
  const nowhere = await call('POST', 'billing/seek', { to: '9.aaaaaa' })
  const now = await call('POST', 'billing/seek', { to: 'now' })

  t.match(back, { status: 200, body: { cursor: first, lag: { events: 2 }, holder: null, in_flight: 0 } })
  t.match(
    [byTheOldEpoch, withoutEpoch],
    [{ body: { code: 'consumer-lost' } }, { body: { code: 'consumer-lost' } }],
  )
  t.match(nowhere, { status: 410, body: { code: 'history-lost' } })
  t.match(now.body, { cursor: third })
  t.same(heard, [
    { kind: 'lost', reason: 'sought' },
    { kind: 'lost', reason: 'sought' },
  ])
  t.same(await audit(), ['consumer.created', 'consumer.sought', 'consumer.sought'])
})

t.test('a deleted consumer is gone, and its name begins anew', async t => {
  const { gateway, call, claim, signals, audit } = await start(t)
  await publish(gateway, things(2))
  await call('PUT', 'billing', { start: 'beginning' })
  const heard = signals((await claim('billing')).id)

  const deleted = await call('DELETE', 'billing')
  const again = await call('DELETE', 'billing')
  const anew = await call('PUT', 'billing', {})

  t.equal(deleted.status, 204)
  t.match(again, { status: 404, body: { code: 'not-found' } })
  t.match(anew, { status: 201, body: { lag: { events: 0 }, holder: null } })
  t.same(heard, [{ kind: 'lost', reason: 'deleted' }])
  t.same(await audit(), ['consumer.created', 'consumer.deleted', 'consumer.created'])
})

t.test('the list has pages by name, and nothing of another workspace', async t => {
  const { call, list } = await start(t)
  for (const name of ['c', 'a', 'b']) await call('PUT', name, {})
  await call('PUT', 'd', {}, as('editor', 'globex'))

  const first = await list('?limit=2')
  const second = await list(`?limit=2&cursor=${first.body.next_cursor}`)
  const foreign = await call('GET', 'a', undefined, as('viewer', 'globex'))
  const wrong = await list('?cursor=x')

  t.same(names(first.body), ['a', 'b'])
  t.same(names(second.body), ['c'])
  t.equal(second.body.next_cursor, null)
  t.equal(foreign.status, 404)
  t.match(wrong, { status: 400, body: { code: 'invalid-cursor' } })
})

t.test('a caller sees and uses only consumers of streams that its grants let it read', async t => {
  const { gateway, call, list } = await start(t)
  for (const stream of ['rooms/1', 'rooms/2']) await publish(gateway, [thing(1)], { stream })
  for (const n of [1, 2]) await call('PUT', `room-${n}`, { stream: `rooms/${n}`, start: 'beginning' })
  const one = granted('editor', { subscribe: ['rooms/1'] })
  const before = await call('GET', 'room-2')

  const seen = await list('', one)
  const answers = {
    own: await call('GET', 'room-1', undefined, one),
    other: await call('GET', 'room-2', undefined, one),
    ack: await call('POST', 'room-2/ack', { id: '1' }, one),
    seek: await call('POST', 'room-2/seek', { to: 'now' }, one),
    delete: await call('DELETE', 'room-2', undefined, one),
    put: await call('PUT', 'room-3', { stream: 'rooms/2' }, one),
    unknown: await call('PUT', 'room-3', { stream: 'rooms/9' }, one),
    viewer: await call('PUT', 'room-3', {}, as('viewer')),
  }

  t.same(names(seen.body), ['room-1'])
  t.match(answers, {
    own: { status: 200 },
    other: { status: 404 },
    ack: { status: 404 },
    seek: { status: 404 },
    delete: { status: 404 },
    put: { status: 404 },
    unknown: { status: 404 },
    viewer: { status: 403, body: { code: 'role-too-low' } },
  })
  t.equal(answers.put.body.detail, answers.unknown.body.detail)
  t.same(withoutLag((await call('GET', 'room-2')).body), withoutLag(before.body))
})

t.test('row-level security hides consumers of other streams even if the route forgets to ask', async t => {
  const { gateway, call, list } = await start(t)
  await publish(gateway, [thing(1)], { stream: 'rooms/2' })
  await call('PUT', 'room-2', { stream: 'rooms/2' })
  const one = granted('editor', { subscribe: ['rooms/1'] })
  const { toRead } = gateway.app.grants
  t.teardown(() => Object.assign(gateway.app.grants, { toRead }))
  Object.assign(gateway.app.grants, { toRead: async () => undefined })

  const seen = await list('', one)
  const read = await call('GET', 'room-2', undefined, one)

  t.same(names(seen.body), [])
  t.equal(read.status, 404)
})

t.test('a workspace has at most 1,000 consumers, also if many are created at once', async t => {
  const { gateway, call } = await start(t)
  await call('PUT', 'first', {})
  await gateway.app.database.query(`
    insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
      cursor_event_id, created_by)
    select gen_random_uuid(), 'acme', 'pull', 'n' || n, 'feed', 1, 30000, 256, 0, gen_random_uuid(), 'ada'
      from generate_series(1, 997) n`)

  const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => call('PUT', name, {})))
  const existing = await call('PUT', 'n1', {})

  t.same(answers.map(({ status }) => status).sort(), [201, 201, 409, 409, 409])
  t.match(
    answers.find(({ status }) => status === 409),
    { body: { code: 'too-many-consumers' } },
  )
  t.equal(existing.status, 200)
})

t.test('several PUTs of one name at once create one consumer', async t => {
  const { call, audit } = await start(t)

  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => call('PUT', 'billing', {})))

  t.same(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 201])
  t.same(await audit(), ['consumer.created'])
})

t.test('a consumer of a deleted stream stays, and a new stream of that name is another history', async t => {
  const { gateway, call } = await start(t)
  await publish(gateway, things(2), { stream: 'rooms/1' })
  const made = await call('PUT', 'room', { stream: 'rooms/1' })
  await fetch(`${gateway.url}/api/streams/rooms%2F1`, { method: 'DELETE', headers: as('admin') })

  const orphaned = await call('GET', 'room')
  const ack = await call('POST', 'room/ack', { id: '3.aaaaaa' })
  const nowhere = await call('POST', 'room/seek', { to: 'now' })
  const [first = ''] = await publish(gateway, [thing(1)], { stream: 'rooms/1' })
  const sought = await call('POST', 'room/seek', { to: first })

  t.match(orphaned, { status: 200, body: { cursor: made.body.cursor, lag: { events: 0, seconds: 0 } } })
  t.match(ack, { status: 409, body: { code: 'not-handed-out' } })
  t.equal(nowhere.status, 404)
  t.match(sought, { status: 200, body: { cursor: first } })
})

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function start(t: Test) {
  const gateway = await startGateway(t)
  const call = (method: string, name: string, body?: object, headers = as('editor')) =>
    ask(gateway, method, `/${name}`, body, headers)
  return {
    gateway,
    call,
    list: (query: string, headers = as('viewer')) => ask(gateway, 'GET', query, undefined, headers),
    /** The actions on record, oldest first. */
    audit: async () => {
      const { rows } = await gateway.app.database.query<{ action: string }>(
        `select action from sluice.audit where action like 'consumer.%' order by at`,
      )
      return rows.map(({ action }) => action)
    },
    /** Takes the consumer, from another holder too. */
    claim: async (name: string, holder = 'ada') => {
      const { rows } = await gateway.app.database.query<{ id: ConsumerId }>(
        'select id from sluice.consumers where name = $1',
        [name],
      )
      const ids = rows.map(({ id }) => id)
      const claiming = { kind: 'pull', node: NODE, holder, ids, leaseMs: 60_000, takeover: true } as const
      const [claimed] = await claimConsumers(gateway.app.database, claiming)
      if (!claimed) throw new Error('The consumer was not claimed.')
      return claimed
    },
    signals: (id: ConsumerId) => {
      const heard: ConsumerSignal[] = []
      t.teardown(gateway.app.consumers.on(id, signal => heard.push(signal)))
      return heard
    },
  }
}

async function ask(
  gateway: Gateway,
  method: string,
  path: string,
  body: object | undefined,
  headers: { authorization: string },
): Promise<Answer> {
  const response = await fetch(`${gateway.url}/api/consumers${path}`, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

function granted(role: Role, sluice: object) {
  return bearer(token({ sub: 'eve', role, sluice }))
}

function names(body: Record<string, unknown>): string[] {
  return Array.isArray(body.consumers) ? body.consumers.map(({ name }) => name) : []
}

/** The seconds go on. */
function withoutLag({ lag: _, ...rest }: Record<string, unknown>) {
  return rest
}
