/** What the history of a run keeps of events that are about to go: those that another server lacks, and those that retention takes. */
import t from 'tap'
import type { Position } from '../../../src/log/event.js'
import { fingerprint } from '../../checker/fingerprint.js'
import { idsOf, lostRows, recordLost, removedRows } from '../../checker/kept-rows.js'
import { createDatabase } from '../../harness/database.js'
import { addStream } from './rows.js'

const FORMS = { data: ({ data }: { readonly data: string }) => data }
const EVENTS = ['{"marker":"m-1"}', '{"marker":"m-2"}', '{"n":3}'].map(data => ({ data }))

t.test('what another server lacks is lost: each event with the one before it', async t => {
  const [old, next] = [await createDatabase(t), await createDatabase(t)]
  await addStream(old.pool, ['acme', 'feed'], EVENTS)
  await addStream(next.pool, ['acme', 'feed'], EVENTS.slice(0, 1))
  await addStream(old.pool, ['acme', 'gone'], EVENTS.slice(2), { base: 4, first: 50 })
  await addStream(old.pool, ['$system', 'access'], [{}], { first: 70 })
  await addStream(next.pool, ['$system', 'access'], [])

  const rows = await lostRows(old.pool, await idsOf(next.pool), FORMS)
  const entries: unknown[] = []
  const count = await recordLost(old.url, next.pool, { write: entry => entries.push(entry) })

  const common = { k: 'row', type: 'note' }
  const n3 = { data: fingerprint('{"n":3}') }
  t.strictSame(rows, [
    {
      ...{ ...common, stream: 'acme/feed', id: '2.aaaaac', after: '1.aaaaab', mark: 'm-2', lost: true },
      h: { data: fingerprint('{"marker":"m-2"}') },
    },
    { ...common, stream: 'acme/feed', id: '3.aaaaad', after: '2.aaaaac', lost: true, h: n3 },
    { ...common, stream: 'acme/gone', id: '5.aaaabs', after: '4.aaaaae', lost: true, h: n3 },
  ])
  t.equal(count, 3)
  t.match(entries, [{ id: '2.aaaaac', lost: true }, { id: '3.aaaaad' }, { id: '5.aaaabs' }])
})

t.test('what retention is about to take is that of one stream, up to a position', async t => {
  const { pool } = await createDatabase(t)
  await addStream(pool, ['acme', 'feed'], EVENTS, { base: 1 })
  await addStream(pool, ['acme', 'other'], EVENTS, { first: 40 })

  const rows = await removedRows(pool, 'acme/feed', 3 as Position, FORMS)

  t.match(rows, [
    { id: '2.aaaaac', after: '1.aaaaab', removed: true, mark: 'm-1' },
    { id: '3.aaaaad', after: '2.aaaaac', removed: true, mark: 'm-2' },
  ])
  t.equal(rows.length, 2)
  t.ok(rows.every(row => row.lost === undefined))
})
