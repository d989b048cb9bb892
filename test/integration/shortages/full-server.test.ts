/** A server without free connections, with a full disk, and without room for its WAL: real ones, under a running gateway. */
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/database/migrate.js'
import { sqlState } from '../../../src/problems/problem.js'
import { type Answer, type FollowedGateway, followGateway } from '../../harness/followed-gateway.js'
import { preparePostgres } from '../../harness/postgres.js'
import { answers, execute } from '../../harness/server.js'
import { prepareShortages, withoutShortages } from '../../harness/shortages.js'
import { succeeds, until } from '../../harness/until.js'

/** So large that few fit into the pages that the tables have already. */
const LARGE = `{"text":"${'x'.repeat(4_000)}"}`
const TOO_MANY_CONNECTIONS = '53300'
const TAKERS = 4
const EXHAUSTED = { status: 503, code: 'database-unavailable', database: 'out-of-resources' }
const AWAY = { status: 503, code: 'database-unavailable' }

const skip = withoutShortages()
const server = startServer()

t.test(
  'a server without a free connection: streams stay open, the rest is refused until there is one',
  async t => {
    const { postgres } = await server
    const followed = await followGateway(t, postgres.url)
    await followed.publish()

    const release = await occupy(t, postgres.url)
    const refused = [await followed.publish(), await followed.page()]
    const newcomer = await followed.newcomer()
    await followed.untilMode('degraded')
    await release()
    await followed.untilMode('normal')
    const stored = await followed.publish()

    for (const answer of refused) t.match(answer, { ...EXHAUSTED, retryAfter: '2' })
    t.match(newcomer, { event: 'unavailable', data: '{"reason":"database","database":"out-of-resources"}' })
    t.equal(stored.status, 201)
    await followed.showsTheLog()
  },
)

t.test(
  'a full disk: what needs room is refused and not stored, and everything is read',
  { skip },
  async t => {
    const { postgres, shortages } = await server
    const followed = await followGateway(t, postgres.url)
    await followed.publish()

    shortages.set({ dataFull: true })
    const refusal = await publishUntilRefused(followed)
    const page = await followed.page()
    // A server that stands still for a second answers no probe, which is no matter of its disk.
    await until('the gateway is ready', async () => (await fetch(`${followed.gateway.url}/ready`)).ok)
    await followed.untilMode('normal')
    const newcomer = await followed.newcomer()
    shortages.set({})
    const stored = await followed.publish(LARGE)

    t.match(refusal, { ...EXHAUSTED, retryAfter: '2', detail: /Nothing was stored/ })
    t.equal(page.status, 200)
    t.match(newcomer, { event: 'server.state', data: /"mode":"normal"/ })
    t.equal(stored.status, 201)
    await followed.showsTheLog()
  },
)

t.test(
  'a full disk of the WAL crashes the server: what was acknowledged is there when it starts again',
  { skip },
  async t => {
    const { postgres, shortages } = await server
    const followed = await followGateway(t, postgres.url)
    let acknowledged = (await followed.showsTheLog()).length

    shortages.set({ walFull: true })
    const refusal = await publishUntilRefused(followed, async () => {
      acknowledged += 1
      // This may be the statement that crashes the server.
      await succeeds(execute(postgres.url, 'select pg_switch_wal()'))
    })
    await until('the server has ended', async () => !(await answers(postgres.url)))
    await followed.untilMode('degraded')
    const newcomer = await followed.newcomer()
    shortages.set({})
    await postgres.stop()
    await postgres.start()
    await followed.untilMode('normal')
    const stored = await followed.publish(LARGE)

    t.match(refusal, {
      ...AWAY,
      retryAfter: '2',
      detail: /may or may not be stored|Nothing was stored/,
    })
    t.match(newcomer, { event: 'unavailable', data: '{"reason":"database"}' })
    t.equal(stored.status, 201)
    const log = await followed.showsTheLog()
    // Another COMMIT of the gateway may have crashed the server before.
    const atMost = refusal.detail?.includes('Nothing was stored') ? 0 : 1
    t.ok(
      [1, 1 + atMost].includes(log.length - acknowledged),
      'the refused event may be there only if that was said',
    )
  },
)

async function startServer() {
  const shortages = skip ? undefined : await prepareShortages(t)
  // A small WAL has few old segments to use again.
  const settings = { max_connections: '14', min_wal_size: '32MB', max_wal_size: '32MB' }
  const postgres = await preparePostgres(t, settings, undefined, undefined, shortages)
  await postgres.start()
  await migrate(postgres.url)
  return { postgres, shortages: shortages ?? { set: () => undefined } }
}

/** @param stored called after each event that was stored. */
async function publishUntilRefused(followed: FollowedGateway, stored = async () => {}): Promise<Answer> {
  let answer: Answer | undefined
  await until('a refusal', async () => {
    answer = await followed.publish(LARGE)
    if (answer.status !== 201) return true
    await stored()
    return false
  })
  if (!answer) throw new Error('Nothing was published.')
  return answer
}

/** Takes all connections of the server, also those of the gateway. @returns a function that gives them back. */
async function occupy(t: Test, url: string): Promise<() => Promise<void>> {
  const taken: pg.Client[] = []
  const release = async () => {
    await Promise.all(taken.splice(0).map(client => client.end()))
  }
  t.teardown(release)
  const takeAll = async () => {
    for (;;) {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => undefined)
      const error = await client.connect().then(
        () => taken.push(client) && undefined,
        (error: unknown) => error,
      )
      if (error === undefined) continue
      if (sqlState(error) !== TOO_MANY_CONNECTIONS) throw error
      return
    }
  }
  await takeAll()
  const ofGateway = (what: string) =>
    taken[0]?.query(`select ${what} from pg_stat_activity where application_name like 'sluice%'`)
  // The gateway connects again at once, so others already wait for each connection that it loses.
  let isWon = false
  const keepTaking = async () => {
    while (!isWon) await takeAll()
  }
  const taking = Promise.all(Array.from({ length: TAKERS }, keepTaking))
  await until('the gateway has no connection', async () => {
    await ofGateway('pg_terminate_backend(pid)')
    await takeAll()
    return (await ofGateway('pid'))?.rowCount === 0
  }).finally(() => {
    isWon = true
  })
  await taking
  return release
}
