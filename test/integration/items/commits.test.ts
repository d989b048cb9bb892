/** I1 and I2: what is acknowledged is stored, and a change and its event are stored together or not at all. */
import t from 'tap'
import { Items } from '../../../src/items/items.js'
import { startItems } from './service.js'

const bracket = { part_number: 'A', description: 'Bracket', item_type: 'part' }

t.test('on a closed feed no change is made', async t => {
  const service = await startItems(t)
  const editor = service.as('closed')
  await editor.post('/api/items', bracket)
  const before = await editor.get('/api/items/A')
  await service.pool.query(`select sluice.close_stream(id) from sluice.streams where workspace = 'closed'`)

  const refused = [
    await editor.post('/api/items', { ...bracket, part_number: 'B' }),
    await editor.patch('/api/items/A', { description: 'x' }),
    await editor.post('/api/items/A/revisions', { comment: 'x', properties: { x: 1 } }),
    await editor.delete('/api/items/A'),
  ]

  for (const { status, body } of refused) t.match({ status, ...body }, { status: 409, code: 'stream-closed' })
  t.same((await editor.get('/api/items/A')).body, before.body)
  t.equal((await editor.get('/api/items')).body.items.length, 1)
  t.equal((await editor.get('/api/items/A/revisions')).body.revisions.length, 1)
  t.equal((await service.feed('closed')).length, 1)
  t.equal(service.woken.length, 1)
})

t.test(
  'when the second event of a revision is refused, the first one and the revision are not kept',
  async t => {
    const service = await startItems(t)
    const editor = service.as('half')
    await editor.post('/api/items', bracket)
    await refuse(service.pool, 'events', `when (new.type = 'item.updated')`, 'P0001')

    const refused = await editor.post('/api/items/A/revisions', { comment: 'x' })

    t.equal(refused.status, 500)
    t.same(
      (await service.feed('half')).map(({ type }) => type),
      ['item.created'],
    )
    t.equal((await editor.get('/api/items/A')).body.revision, 1)
    t.equal((await editor.get('/api/items/A/revisions')).body.revisions.length, 1)
  },
)

t.test('a change whose COMMIT fails is neither acknowledged nor announced', async t => {
  const service = await startItems(t)
  const editor = service.as('commit')
  await service.pool.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
    create constraint trigger refuse after insert on sluice.items deferrable initially deferred
      for each row execute function public.refuse()`)

  const refused = await editor.post('/api/items', bracket)

  t.equal(refused.status, 500)
  t.notMatch(refused.text, /\bno\b/)
  t.same((await editor.get('/api/items')).body.items, [])
  t.same(await service.feed('commit'), [])
  t.same(service.woken, [])
})

t.test('readers are woken after COMMIT, once per change, when the events are there to be read', async t => {
  const { pool } = await startItems(t)
  const seen: Promise<number | null>[] = []
  const items = new Items({
    database: pool,
    onCommitted: committed => {
      const ids = committed.map(({ streamId }) => streamId)
      seen.push(
        pool
          .query('select from sluice.events where stream_id = any($1)', [ids])
          .then(({ rowCount }) => rowCount),
      )
    },
  })
  const author = { id: 'ann', workspace: 'wake' }

  // Each count is awaited before the next change, which would be counted too.
  await items.create(author, bracket)
  await Promise.all(seen)
  await items.revise(author, 'A', { comment: 'two events' })
  await Promise.all(seen)
  await items.delete(author, 'A')

  t.same(await Promise.all(seen), [1, 3, 4])
})

t.test('exactly one of twenty changes with the same If-Match succeeds', async t => {
  const service = await startItems(t)
  const editor = service.as('race')
  const { body } = await editor.post('/api/items', bracket)

  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      editor.patch('/api/items/A', { description: `by ${n}` }, { 'if-match': body.etag }),
    ),
  )

  const made = answers.filter(({ status }) => status === 200)
  t.equal(made.length, 1)
  t.equal(answers.filter(({ status }) => status === 412).length, 19)
  t.same((await editor.get('/api/items/A')).body, made[0]?.body)
  t.equal((await service.feed('race')).length, 2)
})

t.test('exactly one of twenty creations of one part number succeeds', async t => {
  const service = await startItems(t)
  const editor = service.as('race')

  const answers = await Promise.all(Array.from({ length: 20 }, () => editor.post('/api/items', bracket)))

  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ status, body }) => status === 409 && body.code === 'item-exists').length, 19)
  t.equal((await service.feed('race')).length, 1)
})

t.test('twenty revisions at once get twenty numbers, in the order of their events', async t => {
  const service = await startItems(t)
  const editor = service.as('numbers')
  await editor.post('/api/items', bracket)

  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => editor.post('/api/items/A/revisions', { comment: `by ${n}` })),
  )

  const expected = Array.from({ length: 20 }, (_, n) => n + 2)
  t.same(
    answers.map(({ body }) => body.revision_number).sort((a, b) => a - b),
    expected,
  )
  const feed = await service.feed('numbers')
  t.same(
    feed.filter(({ type }) => type === 'revision.created').map(({ data }) => data.revision_number),
    expected,
  )
})

for (const sqlState of ['40001', '40P01']) {
  t.test(`a change that fails with ${sqlState} is retried, and has one event`, async t => {
    const service = await startItems(t)
    const editor = service.as('lost')
    await editor.post('/api/items', bracket)
    await service.pool.query('create sequence public.tries; grant usage on sequence public.tries to public')
    await refuse(service.pool, 'items', `when (nextval('public.tries') <= 2)`, sqlState)

    const changed = await editor.patch('/api/items/A', { description: 'made' })

    t.equal(changed.status, 200)
    t.equal((await editor.get('/api/items/A')).body.description, 'made')
    t.equal((await service.feed('lost')).length, 2)
  })
}

t.test('a change that fails on every retry gets a 503 with a retry time', async t => {
  const service = await startItems(t)
  const editor = service.as('lost')
  await editor.post('/api/items', bracket)
  await refuse(service.pool, 'items', '', '40001')

  const given = await editor.patch('/api/items/A', { description: 'never' })

  t.match({ status: given.status, ...given.body }, { status: 503, code: 'contention' })
  t.ok(given.headers.get('retry-after'))
  t.equal((await service.feed('lost')).length, 1)
})

/** Makes writes to a table fail from now on. */
async function refuse(
  pool: Awaited<ReturnType<typeof startItems>>['pool'],
  table: 'items' | 'events',
  condition: string,
  sqlState: string,
): Promise<void> {
  await pool.query(`
    create function public.refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused by the test' using errcode = '${sqlState}'; end $$;
    create trigger refuse before insert or update on sluice.${table}
      for each row ${condition} execute function public.refuse()`)
}
