import pg from 'pg'
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type Answer, followGateway } from '../../harness/followed-gateway.js'

const EVENTS = 50_000

t.test(
  `${EVENTS} events in one transaction: others publish until its COMMIT, and are answered during it`,
  async t => {
    const { url } = await createDatabase(t)
    const followed = await followGateway(t, url)
    const writer = new pg.Client({ connectionString: url })
    await writer.connect()
    t.teardown(() => writer.end())
    const before = [`{"before":1}`, `{"before":2}`]

    await writer.query('begin')
    const publishAll = `select count(sluice.publish('acme', 'feed', 'thing.made', '{}')) from generate_series(1, ${EVENTS})`
    await writer.query(publishAll)
    for (const data of before)
      t.equal((await followed.publish(data)).status, 201, 'nobody waits before its COMMIT')
    let isOver = false
    const startedAt = performance.now()
    const committed = writer.query('commit').then(() => {
      isOver = true
      return performance.now() - startedAt
    })
    const meanwhile: Answer[] = []
    while (!isOver) meanwhile.push(await followed.publish('{"meanwhile":true}'))

    t.comment(
      `COMMIT took ${Math.round(await committed)} ms, in which ${meanwhile.length} publishes were answered`,
    )
    for (const answer of meanwhile)
      if (answer.status !== 201)
        t.match(answer, { status: 503, code: 'stream-busy', retryAfter: '2', detail: /Nothing was stored/ })
    const log = await followed.showsTheLog()
    const stored = meanwhile.filter(({ status }) => status === 201).length
    t.equal(log.length, EVENTS + before.length + stored)
    const large = log.flatMap((event, index) => (event.endsWith(' {}') ? [index] : []))
    t.equal((large.at(-1) ?? 0) - (large[0] ?? 0) + 1, EVENTS, 'its events are adjacent')
  },
)
