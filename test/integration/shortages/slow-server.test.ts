/** Parts of a server that stand still: a table that is locked, and the backend of one connection that no longer runs. */
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { followGateway } from '../../harness/followed-gateway.js'
import { preparePostgres, withoutFreezing } from '../../harness/postgres.js'
import { execute } from '../../harness/server.js'

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

async function startServer(): Promise<string> {
  const postgres = await preparePostgres(t)
  await postgres.start()
  await migrate(postgres.url)
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
