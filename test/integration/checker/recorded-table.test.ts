/** What the history of a run says of the table: each row as clients should have got it, and what excuses other bytes. */
import t from 'tap'
import { fingerprint } from '../../checker/fingerprint.js'
import type { Entry, EntryOf } from '../../checker/history.js'
import { recordTable } from '../../checker/recorded-table.js'
import { createDatabase } from '../../harness/database.js'
import { AT, addStream } from './rows.js'

const ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted']
/** More than one page of the reader. */
const MANY = 5_001

t.test('each row is recorded with its bytes, its mark, and what was done to it', async t => {
  const { pool } = await createDatabase(t)
  const data = '{"marker":"m-1",\r\n"n": 1.0}'
  await addStream(
    pool,
    ['acme', 'feed'],
    [
      { data, actor: 'ada' },
      { data: '{"json":{"marker":"m-2"}}' },
      { data: '{"marker":7}', redacted: AT },
      { type: 'event.compacted' },
    ],
    { base: 3 },
  )
  await addStream(pool, ['$system', 'access'], [{}])

  const [log, ...rows] = await recorded(pool)

  t.strictSame(log, { k: 'log', stream: 'acme/feed', base: '3.aaaaad' })
  t.match(rows, [
    { k: 'row', stream: 'acme/feed', id: '4.aaaaae', type: 'note', mark: 'm-1' },
    { id: '5.aaaaaf', mark: 'm-2' },
    { id: '6.aaaaag', redacted: Date.parse(AT) },
    { id: '7.aaaaah', type: 'event.compacted', changed: true },
  ])
  t.strictSame(rows.map(membersOf), [['mark'], ['mark'], ['redacted'], ['changed']])
  const line = `{"id":"4.aaaaae","position":4,"type":"note","at":"${AT}","event_id":"00000010-0000-4000-8000-000000000000","data":{"marker":"m-1", "n": 1.0}}`
  t.strictSame(hashesOf(rows[0]), {
    'text/event-stream': fingerprint('4.aaaaae note {"marker":"m-1",\n"n": 1.0}'),
    'application/x-ndjson': fingerprint(line),
    value: fingerprint('4.aaaaae note {"marker":"m-1","n":1}'),
    webhook: fingerprint(
      `00000010-0000-4000-8000-000000000000 4.aaaaae {"type":"note","timestamp":"${AT}","data":${data}}`,
    ),
    'webhook cloudevent': fingerprint(`00000010-0000-4000-8000-000000000000 4.aaaaae note ${data}`),
  })
})

t.test('the events of a job are recorded with their actors and attempts', async t => {
  const { pool } = await createDatabase(t)
  const started = { type: 'job.started', data: '{"attempt":2}', actor: 'one' }
  await addStream(
    pool,
    ['acme', 'job:1'],
    [{ type: 'job.created', actor: 'ada' }, started, { ...started, redacted: AT }, { type: 'job.failed' }],
  )
  await addStream(pool, ['acme', 'feed'], [started])

  const [log, created, first, redacted, failed, , ofFeed] = await recorded(pool)

  t.strictSame(log, { k: 'log', stream: 'acme/job:1', base: '0.aaaaaa', terminal: ENDS })
  t.match(created, { by: 'ada' })
  t.match(first, { by: 'one', attempt: 2 })
  t.strictSame([created, redacted, failed, ofFeed].map(membersOf), [['by'], ['redacted', 'by'], [], []])
})

t.test('a form may leave events out, and a run may have marks of its own', async t => {
  const { pool } = await createDatabase(t)
  await addStream(pool, ['acme', 'feed'], [{ data: '{"own":"m-1"}' }, { data: '{"own":"m-2"}' }])

  const rows = await recorded(pool, {
    forms: { odd: ({ position }) => (position % 2 ? `${position}` : undefined), all: ({ type }) => type },
    markOf: data => JSON.parse(data).own,
  })

  t.match(rows.slice(1), [{ mark: 'm-1' }, { mark: 'm-2' }])
  t.strictSame(rows.slice(1).map(hashesOf), [
    { odd: fingerprint('1'), all: fingerprint('note') },
    { all: fingerprint('note') },
  ])
})

t.test('a stream of more than one page is recorded whole', async t => {
  const { pool } = await createDatabase(t)
  await addStream(pool, ['acme', 'feed'], [])
  await pool.query(
    `insert into sluice.events (stream_id, "position", at, event_id, type, data)
      select s.id, n, now(), gen_random_uuid(), 'note', '{}'
        from sluice.streams s, generate_series(1, $1::int) n where s.name = 'feed'`,
    [MANY],
  )

  const rows = (await recorded(pool)).flatMap(each => (each.k === 'row' ? Number.parseInt(each.id, 10) : []))

  t.equal(rows.length, MANY)
  t.ok(rows.every((position, index) => position === index + 1))
})

async function recorded(
  pool: Parameters<typeof recordTable>[0]['pool'],
  more: Partial<Parameters<typeof recordTable>[0]> = {},
): Promise<Entry[]> {
  const entries: Entry[] = []
  await recordTable({ pool, recorder: { write: entry => entries.push(entry) }, ...more })
  return entries
}

/** The members that not every row has. */
function membersOf(entry: Entry | undefined): string[] {
  return Object.keys(entry ?? {}).filter(name => !['k', 'stream', 'id', 'type', 'h'].includes(name))
}

function hashesOf(entry: Entry | undefined): EntryOf<'row'>['h'] | undefined {
  return entry?.k === 'row' ? entry.h : undefined
}
