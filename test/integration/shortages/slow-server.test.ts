/** Parts of a server that stand still: a table that is locked, and the backend of one connection that no longer runs. */
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { createPool } from '../../../src/database/pool.js'
import { Publisher } from '../../../src/log/publisher.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { preparePostgres, withoutFreezing } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'
import { succeeds, until } from '../../harness/until.js'

/** A type of event that takes some seconds to store, with the lock of its stream. */
const SLOW = 'slow.made'
const server = startServer()

t.test(
  'while the table of events is locked open streams stay, readers are refused after a while, writers wait',
  async t => {
    const url = await server
    const followed = await followGateway(t, url)
    await followed.publish()
    const locker = new pg.Client({ connectionString: url })
    await locker.connect()
    t.teardown(() => locker.end())

    await locker.query('begin; lock table sluice.events in access exclusive mode')
    const written = followed.publish()
    const [page, newcomer] = await Promise.all([
      followed.page(),
      followed.newcomer(),
      followed.untilMode('degraded'),
    ])
    await locker.query('rollback')
    await followed.untilMode('normal')

    t.match(page, { status: 503, code: 'database-unavailable', retryAfter: '2' })
    t.match(newcomer, { event: 'unavailable', data: '{"reason":"database"}' })
    t.equal((await written).status, 201)
    await followed.showsTheLog()
  },
)

t.test(
  'a frozen backend of the one reader of the log is replaced, and delays only the events that must be read',
  { skip: withoutFreezing() },
  async t => {
    const url = await server
    const followed = await followGateway(t, url)
    await followed.publish()
    const frozen = await backendOf(url, 'sluice tail')

    process.kill(frozen, 'SIGSTOP')
    t.teardown(() => process.kill(frozen, 'SIGCONT'))
    const answers = [await followed.publish(), await followed.page()]
    const newcomer = await followed.newcomer()
    // Its gateway has not committed it, so it must read it.
    await execute(url, `select sluice.publish('acme', 'feed', 'thing.made', '{}')`)
    await followed.showsTheLog()

    t.strictSame(
      answers.map(({ status }) => status),
      [201, 200],
    )
    t.match(newcomer, { event: 'server.state' })
    t.not(await backendOf(url, 'sluice tail', frozen), frozen, 'another backend reads')
  },
)

t.test(
  'a frozen backend in a commit of publishes holds those to its streams back, and no others',
  { skip: withoutFreezing() },
  async t => {
    const { publishTo, stored, freezeCommitTo } = await startPublisher(t, await server)
    const { stuck, thaw } = await freezeCommitTo('frozen')
    const held = [publishTo('frozen'), publishTo('frozen')]

    await Promise.all([publishTo('other'), publishTo('another')])
    await publishTo('other')
    t.strictSame(stored, { other: [1, 2], another: [1] }, 'the frozen stream is held back')
    thaw()
    await Promise.all([stuck, ...held])

    t.strictSame(stored, { other: [1, 2], another: [1], frozen: [1, 2, 3] })
  },
)

t.test(
  'a commit of publishes that a frozen backend never answers has an unknown outcome, and its streams are busy',
  { skip: withoutFreezing() },
  async t => {
    const url = await server
    const impatient = await startPublisher(t, url, 1_000)
    const { publishTo, stored } = await startPublisher(t, url)
    const { stuck, thaw } = await impatient.freezeCommitTo('silent')

    await t.rejects(stuck, { code: 'database-unavailable', detail: /may or may not be stored/ })
    await t.rejects(publishTo('silent'), { code: 'stream-busy', detail: /Nothing was stored/ })
    thaw()
    await until('the stream is free', () => succeeds(publishTo('silent')))

    t.strictSame(stored, { silent: [2] }, 'the unknown one was stored')
  },
)

/** A publisher on connections of its own. @param queryTimeoutMs after which a connection without an answer is discarded. */
async function startPublisher(t: Test, url: string, queryTimeoutMs?: number) {
  const name = `publisher ${queryTimeoutMs}`
  const pool = createPool(url, {
    max: 3,
    name,
    ...(queryTimeoutMs && { queryTimeoutMs }),
    onError: () => undefined,
  })
  const publisher = new Publisher({ database: pool, onCommitted: () => undefined })
  t.teardown(async () => {
    await publisher.close()
    await pool.end()
  })
  const stored: Record<string, number[]> = {}
  const publishTo = async (stream: string, type = 'thing.made') => {
    const receipt = await publisher.publish({
      workspace: 'acme',
      stream,
      actor: 'me',
      events: [{ type, data: {} }],
    })
    stored[stream] = [...(stored[stream] ?? []), ...receipt.events.map(({ position }) => position)]
  }
  return {
    publishTo,
    /** The positions of the acknowledged events of each stream. */
    stored,
    /** Publishes, and freezes the backend while it has the stream's lock. */
    async freezeCommitTo(stream: string) {
      const stuck = publishTo(stream, SLOW)
      stuck.catch(() => undefined)
      let pid: number | undefined
      await until('the commit has the lock of the stream', async () => {
        const { rows } = await execute(
          url,
          `select pid from pg_stat_activity where application_name = '${name}' and wait_event = 'PgSleep'`,
        )
        pid = rows[0]?.pid
        return rows.length > 0
      })
      if (pid !== undefined) process.kill(pid, 'SIGSTOP')
      const thaw = () => {
        if (pid !== undefined) process.kill(pid, 'SIGCONT')
        pid = undefined
      }
      t.teardown(thaw)
      return { stuck, thaw }
    },
  }
}

async function startServer(): Promise<string> {
  const postgres = await preparePostgres(t)
  await postgres.start()
  await migrate(postgres.url)
  await execute(
    postgres.url,
    `create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(4); return new; end $$;
     create trigger slow before insert on sluice.events for each row when (new.type = '${SLOW}') execute function slow()`,
  )
  return postgres.url
}

/** The process of a connection with this application_name. @param besides one that does not count. */
async function backendOf(url: string, name: string, besides = 0): Promise<number> {
  const { rows } = await execute(
    url,
    `select pid from pg_stat_activity where application_name = '${name}' and pid <> ${besides}`,
  )
  if (rows.length === 0) throw new Error(`No session is named ${name}.`)
  return rows[0].pid
}
