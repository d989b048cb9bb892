/** I5: one workspace never takes all database connections of a gateway. */
import { Writable } from 'node:stream'
import t from 'tap'
import { gateOf } from '../../../src/database/fair-gate.js'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { openStream } from '../../harness/event-stream.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

t.test('a workspace whose requests wait in the database leaves a connection to the others', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const { url } = await startGateway(t, { databaseUrl, env: { DATABASE_POOL: '3' } })
  const items = (workspace: string, path = '', method = 'GET', content?: object) =>
    fetch(`${url}/api/items${path}`, {
      method,
      headers: { ...as('editor', workspace), 'content-type': 'application/json' },
      body: content === undefined ? null : JSON.stringify(content),
    })
  await items('acme', '', 'POST', { part_number: 'A-1', description: 'Bracket', item_type: 'part' })
  const holder = await pool.connect()
  await holder.query('begin')
  await holder.query('select from sluice.items for update')

  const changes = Array.from({ length: 4 }, () => items('acme', '/A-1', 'PATCH', { description: 'Plate' }))
  await until('two changes that wait', async () => {
    const { rowCount } = await pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return Number(rowCount) >= 2
  })

  t.equal((await items('other')).status, 200)
  await holder.query('commit')
  holder.release()
  t.strictSame(
    (await Promise.all(changes)).map(({ status }) => status),
    [200, 200, 200, 200],
  )
})

const WAITING = {
  stream: ['events?stream=none', 'text/event-stream'],
  'stream that is open here': ['events?stream=idle', 'text/event-stream'],
  'long poll': ['events?stream=none&wait=20s', 'application/json'],
  'long poll of a stream that is followed': ['events?stream=followed&wait=20s', 'application/json'],
}

t.test('a request whose client has gone leaves the line at once, and gives its slot back', async t => {
  const lines: string[] = []
  const log = new Writable({
    write(line, _, done) {
      lines.push(String(line))
      done()
    },
  })
  const gateway = await startGateway(t, { env: { DATABASE_POOL: '3', LOG_LEVEL: 'info' }, log })
  const { streamSlots, hub, database } = gateway.app
  for (const stream of ['idle', 'followed']) await publish(gateway, { type: 'a', data: {} }, { stream })
  const open = (stream: string) =>
    openStream(t, `${gateway.url}/api/events?stream=${stream}`, { headers: as('editor') })
  const [idle] = [await open('idle'), await open('followed')]
  idle.close()
  await until('one stream is idle', () => hub.subscriptions.size === 1)
  let free = () => {}
  const held = new Promise<void>(resolve => {
    free = resolve
  })
  // All that the workspace may have, for streams and for pages.
  const works = [hub.starts.database, database].flatMap(pool =>
    [1, 2].map(() => gateOf(pool).run('acme', () => held)),
  )

  for (const [what, [path = '', accept = '']] of Object.entries(WAITING)) {
    const leaving = new AbortController()
    const request = fetch(`${gateway.url}/api/${path}`, {
      headers: { ...as('viewer'), accept },
      signal: leaving.signal,
    }).catch(() => undefined)
    await until(`the ${what} waits`, () => streamSlots.holders.principal === 2)
    leaving.abort()
    await request
    await until(`the ${what} has left`, () => streamSlots.holders.principal === 1)
  }

  t.equal(hub.tally.refused.limit, 0, 'none has waited until it was refused')
  t.notMatch(lines.join(''), /database-busy/)
  free()
  await Promise.all(works)
  const answer = await fetch(`${gateway.url}/api/clients/refused`, { headers: as('admin') })
  const { refused } = (await answer.json()) as { refused: readonly Record<string, unknown>[] }
  t.match(refused, [
    { stream: 'idle', reason: 'client' },
    { stream: 'none', reason: 'client' },
  ])
})

const COSTLY = {
  pages: ['events', `where=${encodeURIComponent('data.n gt 1')}`, 'types=b', 'limit=9'],
  'pages of latest values': ['latest', 'key=data.n', 'key=data.m', 'key=data.o'],
}

for (const [what, [path, ...costly]] of Object.entries(COSTLY))
  t.test(`expensive ${what} of one workspace leave a connection to the small page of another`, async t => {
    const { url: databaseUrl, pool } = await createDatabase(t)
    const gateway = await startGateway(t, { databaseUrl, env: { DATABASE_POOL: '3' } })
    const page = (workspace: string, path: string) =>
      fetch(`${gateway.url}/api/${path}`, {
        headers: { ...as('viewer', workspace), accept: 'application/json' },
      })
    const small = async () => (await page('other', 'events?limit=1')).status
    const [head] = await publish(gateway, { type: 'a', data: { n: 1 } })
    // The process knows the head from now on.
    const stream = await openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') })
    await stream.until(1)
    t.equal(await small(), 200)
    await (path === 'latest' ? letLatestWait(pool) : letReadsWait(pool, 'acme'))
    const holder = await pool.connect()
    await holder.query('begin; select pg_advisory_xact_lock(1)')

    const after = path === 'events' ? `after=${head}&` : ''
    const pages = costly.map(query => page('acme', `${path}?${after}${query}`))
    await until('two pages that wait', async () => (await waiting(pool)) >= 2)

    t.equal(await small(), 200)
    t.equal(await waiting(pool), 2)
    await holder.query('commit')
    holder.release()
    t.strictSame(
      (await Promise.all(pages)).map(({ status }) => status),
      [200, 200, 200],
    )
  })

/** From now on, reads of the events of this workspace wait while a transaction holds the advisory lock 1. */
async function letReadsWait(pool: Database, workspace: string): Promise<void> {
  await pool.query(`
    create function sluice.let_pass(stream bigint) returns boolean language plpgsql as $$
      begin
        if exists (select from sluice.streams s where s.id = stream and s.workspace = '${workspace}') then
          perform pg_advisory_xact_lock_shared(1);
        end if;
        return true;
      end $$;
    alter table sluice.events rename to all_events;
    create view sluice.events as select e.* from sluice.all_events e where sluice.let_pass(e.stream_id)`)
}

/** From now on, reads of latest values wait in the same way. */
async function letLatestWait(pool: Database): Promise<void> {
  await pool.query(`
    create or replace function sluice.key_of(data json, path text) returns text language plpgsql as $$
      begin
        perform pg_advisory_xact_lock_shared(1);
        return data ->> 'n';
      end $$`)
}

/** How many statements of requests wait for a lock. */
async function waiting(pool: Database): Promise<number> {
  const { rowCount } = await pool.query(
    `select from pg_stat_activity
      where datname = current_database() and application_name = 'sluice' and wait_event_type = 'Lock'`,
  )
  return Number(rowCount)
}
