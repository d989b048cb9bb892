import t from 'tap'
import { type Caller, startItems } from './service.js'

const service = await startItems(t)

/** The part numbers of all pages, page by page. */
async function pages(caller: Caller, query: Record<string, string>): Promise<string[][]> {
  const found: string[][] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const { body } = await caller.get(
      `/api/items?${new URLSearchParams({ ...query, ...(cursor && { cursor }) })}`,
    )
    found.push(body.items.map(item => item.part_number))
    cursor = body.next_cursor
  }
  return found
}

async function fill(
  workspace: string,
  items: Record<string, [description: string, item_type: string]>,
): Promise<Caller> {
  const editor = service.as(workspace)
  for (const [part_number, [description, item_type]] of Object.entries(items)) {
    const { status } = await editor.post('/api/items', { part_number, description, item_type })
    t.equal(status, 201)
  }
  return service.as(workspace, 'viewer')
}

t.test('pages follow each other in the order of part numbers, each item once', async t => {
  const viewer = await fill('pages', {
    b: ['d', 't'],
    B: ['d', 't'],
    a2: ['d', 't'],
    a10: ['d', 't'],
    'a.1': ['d', 't'],
  })

  t.same(await pages(viewer, { limit: '2' }), [['B', 'a.1'], ['a10', 'a2'], ['b']])
  t.same(await pages(viewer, { limit: '5' }), [['B', 'a.1', 'a10', 'a2', 'b']])
})

t.test('a cursor holds when items come and go between two pages', async t => {
  const viewer = await fill('moving', { A: ['d', 't'], C: ['d', 't'], E: ['d', 't'] })
  const first = await viewer.get('/api/items?limit=2')
  await service.as('moving').delete('/api/items/C')
  await fill('moving', { B: ['d', 't'], D: ['d', 't'] })

  const second = await viewer.get(`/api/items?limit=2&cursor=${first.body.next_cursor}`)

  t.same(
    second.body.items.map(item => item.part_number),
    ['D', 'E'],
  )
})

t.test('lists are filtered by type and searched in any case, with every character literal', async t => {
  const viewer = await fill('search', {
    'BRK-1': ['Bracket 100%', 'part'],
    'BRK-2': ['Prüfmittel ÄÖ', 'tool'],
    ASM_1: ['a_b with bracket', 'assembly'],
    'ASM-2': ['back\\slash', 'assembly'],
  })
  const found = async (query: Record<string, string>) =>
    (await pages(viewer, { limit: '1', ...query })).flat()

  t.same(await found({ item_type: 'assembly' }), ['ASM-2', 'ASM_1'])
  t.same(await found({ item_type: 'Assembly' }), [])
  t.same(await found({ search: 'brk' }), ['BRK-1', 'BRK-2'])
  t.same(await found({ search: 'BRACKET' }), ['ASM_1', 'BRK-1'])
  t.same(await found({ search: 'bracket', item_type: 'part' }), ['BRK-1'])
  t.same(await found({ search: '0%' }), ['BRK-1'])
  t.same(await found({ search: '_' }), ['ASM_1'])
  t.same(await found({ search: '\\' }), ['ASM-2'])
  t.same(await found({ search: 'PRÜFMITTEL äö' }), ['BRK-2'])
  t.same(await found({ search: 'pru\u0308f' }), ['BRK-2'], 'decomposed')
  t.same(await found({ search: '' }), ['ASM-2', 'ASM_1', 'BRK-1', 'BRK-2'])
  t.same(await found({ search: "'; drop table sluice.items; --" }), [])
})

t.test('after a change of its description an item is found by the new words', async t => {
  const viewer = await fill('renamed', { A: ['before', 't'] })
  await service.as('renamed').patch('/api/items/A', { description: 'after' })

  t.same(await pages(viewer, { search: 'before' }), [[]])
  t.same(await pages(viewer, { search: 'after' }), [['A']])
})

t.test('revisions come in pages, the newest first', async t => {
  const viewer = await fill('revisions', { A: ['d', 't'] })
  for (const comment of ['two', 'three', 'four', 'five']) {
    await service.as('revisions').post('/api/items/A/revisions', { comment })
  }

  const first = await viewer.get('/api/items/A/revisions?limit=3')
  const second = await viewer.get(`/api/items/A/revisions?limit=3&cursor=${first.body.next_cursor}`)

  t.match(first.body.revisions, [{ comment: 'five' }, { comment: 'four' }, { comment: 'three' }])
  t.same(
    second.body.revisions.map(({ revision_number }) => revision_number),
    [2, 1],
  )
  t.equal(second.body.next_cursor, null)
})

t.test('cursors that are not of this list, and parameters that do not exist, are refused', async t => {
  const viewer = await fill('bad-queries', { A: ['d', 't'], B: ['d', 't'] })
  await service.as('bad-queries').post('/api/items/A/revisions', { comment: 'two' })
  const items = await viewer.get('/api/items?limit=1')
  const revisions = await viewer.get('/api/items/A/revisions?limit=1')
  const huge = Buffer.from('revisions:9999999999').toString('base64url')

  for (const path of [
    '/api/items?cursor=',
    '/api/items?cursor=x',
    `/api/items?cursor=${revisions.body.next_cursor}`,
    `/api/items/A/revisions?cursor=${items.body.next_cursor}`,
  ]) {
    const { status, body } = await viewer.get(path)
    t.match({ status, ...body }, { status: 400, code: 'invalid-cursor' }, path)
  }
  for (const path of [
    '/api/items?limit=0',
    '/api/items?limit=201',
    '/api/items?limit=x',
    '/api/items?limit=1.5',
    '/api/items?offset=1',
    '/api/items?item_type=',
    '/api/items/A/revisions?search=x',
    `/api/items?search=${'x'.repeat(201)}`,
    '/api/items?search=%00',
    '/api/items?item_type=%00',
  ]) {
    t.equal((await viewer.get(path)).status, 400, path)
  }
  t.equal((await viewer.get(`/api/items/A/revisions?cursor=${huge}`)).status, 200)
})

t.test('a workspace without a single event has a head as well', async t => {
  const { status, headers } = await service.as('empty', 'viewer').get('/api/items')

  t.equal(status, 200)
  t.match(headers.get('x-sluice-head'), /^0\.[a-z2-7]{6}$/)
  t.same(await service.feed('empty'), [])
})
