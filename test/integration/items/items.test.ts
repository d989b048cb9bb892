import t from 'tap'
import { MAX_PROPERTIES_BYTES } from '../../../src/items/item.js'
import { startItems } from './service.js'

const service = await startItems(t)
const bracket = { part_number: 'A01-0002', description: 'Bracket, left', item_type: 'part' }

t.test('a created item can be read at its Location, and the feed has its event', async t => {
  const editor = service.as('create')

  const created = await editor.post('/api/items', {
    ...bracket,
    properties: { mass_kg: 1.25, holes: [3, null] },
  })
  const read = await service.as('create', 'viewer').get(created.headers.get('location') ?? '')

  t.equal(created.status, 201)
  t.match(created.body, { ...bracket, properties: { mass_kg: 1.25, holes: [3, null] }, revision: 1 })
  t.same(read.body, created.body)
  t.equal(read.headers.get('etag'), created.headers.get('etag'))
  t.equal(read.body.etag, created.headers.get('etag'))
  const [event] = await service.feed('create')
  t.match(event, { type: 'item.created', data: bracket, actor: 'editor of create' })
  t.equal(read.headers.get('x-sluice-head'), event?.id)
})

t.test('properties are returned unchanged: same order, odd keys, nothing stripped', async t => {
  const editor = service.as('properties')
  const properties =
    '{"z":1,"a":{"line\\nbreak":"ü\\u2028\\"","":[]},"line\\nbreak":true,"constructor":"x","etag":null}'

  const created = await editor.post(
    '/api/items',
    `{"part_number":"P1","description":"d","item_type":"t","properties":${properties}}`,
  )
  const read = await editor.get('/api/items/P1')

  t.equal(created.status, 201)
  t.equal(JSON.stringify(created.body.properties), JSON.stringify(JSON.parse(properties)))
  t.equal(read.text, created.text)
})

t.test('a part number that is taken is refused, and nothing changes', async t => {
  const editor = service.as('taken')
  await editor.post('/api/items', bracket)

  const again = await editor.post('/api/items', { ...bracket, description: 'Another' })

  t.equal(again.status, 409)
  t.equal(again.body.code, 'item-exists')
  t.equal((await editor.get('/api/items/A01-0002')).body.description, 'Bracket, left')
  t.equal((await service.feed('taken')).length, 1)
})

t.test('a change replaces only the fields in it, and its event has the revision', async t => {
  const editor = service.as('patch')
  const created = await editor.post('/api/items', { ...bracket, properties: { mass_kg: 1 } })

  const described = await editor.patch('/api/items/A01-0002', { description: 'Bracket, right' })
  const weighed = await editor.patch('/api/items/A01-0002', {
    properties: { colour: 'red' },
    item_type: 'assembly',
  })

  t.equal(described.status, 200)
  t.match(described.body, { description: 'Bracket, right', item_type: 'part', properties: { mass_kg: 1 } })
  t.same(weighed.body.properties, { colour: 'red' })
  t.equal(weighed.body.item_type, 'assembly')
  t.equal(weighed.body.revision, 1)
  t.equal(new Set([created, described, weighed].map(answer => answer.headers.get('etag'))).size, 3)
  t.same(
    (await service.feed('patch')).slice(1).map(({ type, data }) => ({ type, data })),
    Array(2).fill({ type: 'item.updated', data: { part_number: 'A01-0002', revision: 1 } }),
  )
})

t.test('a revision keeps the earlier item, and its two events follow each other', async t => {
  const editor = service.as('revise')
  await editor.post('/api/items', { ...bracket, properties: { mass_kg: 1 } })
  await editor.patch('/api/items/A01-0002', { properties: { mass_kg: 2 } })

  const second = await editor.post('/api/items/A01-0002/revisions', { comment: 'As weighed' })
  const third = await editor.post('/api/items/A01-0002/revisions', {
    comment: 'Lighter',
    properties: { mass_kg: 3 },
  })
  const { body, headers } = await editor.get('/api/items/A01-0002/revisions')
  const item = await editor.get('/api/items/A01-0002')

  t.equal(second.status, 201)
  t.match(second.body, {
    part_number: 'A01-0002',
    revision_number: 2,
    comment: 'As weighed',
    properties: { mass_kg: 2 },
  })
  t.same(body.revisions[0], third.body)
  t.match(body, {
    revisions: [
      { revision_number: 3, comment: 'Lighter', properties: { mass_kg: 3 }, actor: 'editor of revise' },
      { revision_number: 2, comment: 'As weighed', properties: { mass_kg: 2 } },
      { revision_number: 1, comment: 'Created', properties: { mass_kg: 1 } },
    ],
    next_cursor: null,
  })
  t.match(item.body, { revision: 3, properties: { mass_kg: 3 } })
  const feed = await service.feed('revise')
  t.same(
    feed.slice(-4).map(({ type, data }) => [type, data]),
    [
      ['revision.created', { part_number: 'A01-0002', revision_number: 2, comment: 'As weighed' }],
      ['item.updated', { part_number: 'A01-0002', revision: 2 }],
      ['revision.created', { part_number: 'A01-0002', revision_number: 3, comment: 'Lighter' }],
      ['item.updated', { part_number: 'A01-0002', revision: 3 }],
    ],
  )
  t.equal(headers.get('x-sluice-head'), feed.at(-1)?.id)
})

t.test('a deleted item loses its revisions, and its part number starts anew with other tags', async t => {
  const editor = service.as('delete')
  const first = await editor.post('/api/items', bracket)
  await editor.post('/api/items/A01-0002/revisions', { comment: 'Of the first life' })

  const deleted = await editor.delete('/api/items/A01-0002')
  const gone = [
    await editor.get('/api/items/A01-0002'),
    await editor.get('/api/items/A01-0002/revisions'),
    await editor.patch('/api/items/A01-0002', { description: 'x' }, { 'if-match': '*' }),
    await editor.post('/api/items/A01-0002/revisions', { comment: 'x' }),
    await editor.delete('/api/items/A01-0002', { 'if-match': '"x"' }),
  ]
  const second = await editor.post('/api/items', bracket)
  const revisions = await editor.get('/api/items/A01-0002/revisions')
  const stale = await editor.delete('/api/items/A01-0002', { 'if-match': first.body.etag })

  t.equal(deleted.status, 204)
  t.equal(deleted.text, '')
  t.same(
    gone.map(({ status, body }) => [status, body.code]),
    Array(5).fill([404, 'not-found']),
  )
  t.equal(second.status, 201)
  t.equal(second.body.revision, 1)
  t.same(
    revisions.body.revisions.map(revision => revision.comment),
    ['Created'],
  )
  t.equal(stale.status, 412)
  t.same(
    (await service.feed('delete')).map(({ type }) => type),
    ['item.created', 'revision.created', 'item.updated', 'item.deleted', 'item.created'],
  )
})

t.test('If-Match decides whether a change is made, and a refusal shows the current tag', async t => {
  const editor = service.as('if-match')
  const { body: created } = await editor.post('/api/items', bracket)
  const path = '/api/items/A01-0002'

  const { body: changed } = await editor.patch(
    path,
    { description: '2' },
    { 'if-match': `"x", ${created.etag}` },
  )
  const refused = [
    await editor.patch(path, { description: '3' }, { 'if-match': created.etag }),
    await editor.patch(path, { description: '3' }, { 'if-match': `W/${changed.etag}` }),
    await editor.patch(path, { description: '3' }, { 'if-match': 'not a tag' }),
    await editor.post(`${path}/revisions`, { comment: '3' }, { 'if-match': created.etag }),
    await editor.delete(path, { 'if-match': created.etag }),
  ]
  const unchanged = await editor.get(path)
  const any = await editor.patch(path, { description: '4' }, { 'if-match': '*' })
  const revised = await editor.post(`${path}/revisions`, { comment: '5' }, { 'if-match': any.body.etag })
  const deleted = await editor.delete(path, { 'if-match': (await editor.get(path)).body.etag })

  for (const { status, body, headers } of refused) {
    t.match({ status, ...body }, { status: 412, code: 'precondition-failed', etag: changed.etag })
    t.equal(headers.get('etag'), changed.etag)
  }
  t.same(unchanged.body, changed)
  t.same([any.status, revised.status, deleted.status], [200, 201, 204])
})

t.test('If-None-Match spares a client the item that it has, and still returns the headers', async t => {
  const editor = service.as('if-none-match')
  const { body } = await editor.post('/api/items', bracket)

  const known = await editor.get('/api/items/A01-0002', { 'if-none-match': `W/${body.etag}` })
  const changed = await editor.get('/api/items/A01-0002', { 'if-none-match': '"x"' })

  t.equal(known.status, 304)
  t.equal(known.text, '')
  t.equal(known.headers.get('etag'), body.etag)
  t.ok(known.headers.get('x-sluice-head'))
  t.equal(changed.status, 200)
})

t.test('content that cannot be stored is refused with the reason, and nothing changes', async t => {
  const editor = service.as('content')
  await editor.post('/api/items', bracket)
  const before = await editor.get('/api/items/A01-0002')
  const large = { k: 'x'.repeat(MAX_PROPERTIES_BYTES) }
  const text = (value: string) => `{"part_number":"P1","description":"${value}","item_type":"t"}`

  const refused: [string, Awaited<ReturnType<typeof editor.get>>][] = [
    ['invalid-text', await editor.post('/api/items', text('a\\u0000b'))],
    ['invalid-text', await editor.post('/api/items', text('\\ud800'))],
    ['invalid-text', await editor.patch('/api/items/A01-0002', '{"properties":{"\\u0000":1}}')],
    ['invalid-text', await editor.post('/api/items/A01-0002/revisions', '{"comment":"\\u0000"}')],
    ['properties-too-large', await editor.patch('/api/items/A01-0002', { properties: large })],
    [
      'properties-too-deep',
      await editor.patch('/api/items/A01-0002', `{"properties":{"a":${'['.repeat(99)}${']'.repeat(99)}}}`),
    ],
    ['invalid-request', await editor.patch('/api/items/A01-0002', {})],
    ['invalid-request', await editor.patch('/api/items/A01-0002', { part_number: 'B' })],
    ['invalid-request', await editor.patch('/api/items/A01-0002', { description: 7 })],
    ['invalid-request', await editor.patch('/api/items/A01-0002', { description: 'x'.repeat(2_001) })],
    ['invalid-request', await editor.patch('/api/items/A01-0002', { properties: [] })],
    ['invalid-request', await editor.patch('/api/items/A01-0002', { properties: null })],
    ['invalid-request', await editor.post('/api/items', { ...bracket, part_number: 'B1', revision: 7 })],
    ['invalid-request', await editor.post('/api/items', { part_number: 'B1' })],
    ['invalid-request', await editor.post('/api/items', [bracket])],
    ['invalid-request', await editor.post('/api/items/A01-0002/revisions', { comment: '' })],
  ]

  for (const [code, { status, body }] of refused)
    t.match({ status, ...body }, { status: 400, code }, body.detail)
  t.same((await editor.get('/api/items/A01-0002')).body, before.body)
  t.equal((await service.feed('content')).length, 1)
})

t.test('a part number matches its pattern, percent-encoded or not', async t => {
  const editor = service.as('part-number')
  const longest = 'x'.repeat(64)
  await editor.post('/api/items', { ...bracket, part_number: 'a.B_c-9' })
  await editor.post('/api/items', { ...bracket, part_number: longest })

  t.equal((await editor.get('/api/items/%61.%42%5Fc%2D9')).status, 200)
  t.equal((await editor.get(`/api/items/${longest}`)).status, 200)
  t.equal((await editor.get('/api/items/A.b_c-9')).status, 404)
  for (const bad of ['', '.', '..', '-a', 'a b', 'a/b', 'ä', 'a\0', 'a\n', `${longest}x`]) {
    t.equal(
      (await editor.post('/api/items', { ...bracket, part_number: bad })).status,
      400,
      `body ${JSON.stringify(bad)}`,
    )
  }
  for (const bad of ['%00', 'a%20b', '%2e%2e%2fx', 'a%2fb', '%zz', '%ff', `${longest}x`, 'x'.repeat(3_000)]) {
    const { status } = await editor.get(`/api/items/${bad}`)
    t.ok([400, 404, 414].includes(status), `${bad} ${status}`)
  }
})

t.test('an item of another workspace is answered as one that does not exist', async t => {
  await service.as('owner').post('/api/items', { ...bracket, part_number: 'SECRET' })
  const stranger = service.as('stranger')
  const attempts = [
    (part: string) => stranger.get(`/api/items/${part}`),
    (part: string) => stranger.get(`/api/items/${part}/revisions`),
    (part: string) => stranger.patch(`/api/items/${part}`, { description: 'mine' }),
    (part: string) => stranger.patch(`/api/items/${part}`, { description: 'mine' }, { 'if-match': '"x"' }),
    (part: string) => stranger.post(`/api/items/${part}/revisions`, { comment: 'mine' }),
    (part: string) => stranger.delete(`/api/items/${part}`),
  ]

  for (const attempt of attempts) {
    const foreign = await attempt('SECRET')
    const absent = await attempt('ABSENT')
    t.equal(foreign.status, 404)
    t.equal(
      foreign.text.replace(foreign.body.request_id, ''),
      absent.text.replace(absent.body.request_id, ''),
    )
  }

  t.same((await stranger.get('/api/items')).body, { items: [], next_cursor: null })
  t.equal((await stranger.post('/api/items', { ...bracket, part_number: 'SECRET' })).status, 201)
  t.same(
    (await service.feed('stranger')).map(({ type }) => type),
    ['item.created'],
  )
  t.same(
    (await service.feed('owner')).map(({ type }) => type),
    ['item.created'],
  )
})

t.test('a viewer reads and does not write', async t => {
  await service.as('roles').post('/api/items', bracket)
  const viewer = service.as('roles', 'viewer')

  const refused = [
    await viewer.post('/api/items', { ...bracket, part_number: 'B' }),
    await viewer.patch('/api/items/A01-0002', { description: 'x' }),
    await viewer.post('/api/items/A01-0002/revisions', { comment: 'x' }),
    await viewer.delete('/api/items/A01-0002'),
  ]

  t.same(
    refused.map(({ status }) => status),
    [403, 403, 403, 403],
  )
  t.equal((await viewer.get('/api/items/A01-0002')).body.description, 'Bracket, left')
  t.equal((await service.feed('roles')).length, 1)
})
