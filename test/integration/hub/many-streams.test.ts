/**
 * Many streams on two gateways that never poll, so an event arrives only by handover or wake, and one that is swallowed stays
 * away for ever. Each round publishes on all streams at once, over HTTP at either gateway and from SQL. The clients of a stream
 * connect while its first event is being published.
 */
import pLimit from 'p-limit'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { byNight } from '../../harness/nightly.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

const STREAMS = 400
const ROUNDS = byNight(3, 40)
const AT_ONCE = 64
const EVENT = 'thing.made'

t.test('no wake is lost: with 400 streams and no poll every client has every event, in order', async t => {
  const { pool, url: databaseUrl } = await createDatabase(t)
  const gateways = [await start(t, databaseUrl), await start(t, databaseUrl)] as const
  const [one, two] = gateways.map(({ gateway }) => gateway) as [Gateway, Gateway]
  await until('both know each other', () =>
    gateways.every(
      ({ gateway: { app } }) => app.bus.status === 'listening' && app.cluster.figures()?.nodes === 2,
    ),
  )
  const before = gateways.map(({ polls }) => polls())
  const random = randomFrom(1)
  const slots = pLimit(AT_ONCE)
  const publishOn = (workspace: string, n: number) =>
    slots(async () => {
      const data = { n }
      const via = random.pick([one, two, undefined])
      if (!via) {
        await pool.query(`select sluice.publish($1, 'feed', $2, $3::json)`, [
          workspace,
          EVENT,
          JSON.stringify(data),
        ])
      } else await publish(via, { type: EVENT, data }, { workspace })
    })
  const workspaces = Array.from({ length: STREAMS }, (_, index) => `w-${index}`)

  const first = workspaces.map(workspace => publishOn(workspace, 0))
  const clients = await Promise.all(
    workspaces.flatMap(workspace => [one, two].map(gateway => slots(() => follow(t, gateway, workspace)))),
  )
  await Promise.all(first)
  for (let n = 0; n < ROUNDS; n += 1) {
    if (n > 0) await Promise.all(workspaces.map(workspace => publishOn(workspace, n)))
    await until(`event ${n} at every client`, () => clients.every(client => numbersOf(client).length > n))
  }

  const expected = JSON.stringify(Array.from({ length: ROUNDS }, (_, n) => n))
  t.strictSame(
    clients.map(client => JSON.stringify(numbersOf(client))).filter(got => got !== expected),
    [],
  )
  t.strictSame(
    gateways.map(({ polls }) => polls()),
    before,
    'no wake was for all streams',
  )
})

/** A gateway that does not poll. `polls`: how many wakes were for all streams. */
async function start(t: Test, databaseUrl: string) {
  const gateway = await startGateway(t, { databaseUrl, env: { BUS_NOTIFY: 'on' } })
  const { tailer } = gateway.app
  tailer.poll.stop()
  let polls = 0
  const { wake } = tailer
  tailer.wake = streams => {
    if (streams === 'all') polls += 1
    wake.call(tailer, streams)
  }
  return { gateway, polls: () => polls }
}

function follow(t: Test, { url }: Gateway, workspace: string): Promise<EventStream> {
  return openStream(t, `${url}/api/events?from=beginning`, { headers: as('viewer', workspace) })
}

/** The numbers of the events that a client has received. */
function numbersOf({ messages }: EventStream): number[] {
  return messages.filter(({ event }) => event === EVENT).map(({ data }) => JSON.parse(data).n)
}
