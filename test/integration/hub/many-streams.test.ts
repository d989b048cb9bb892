/**
 * Many streams on two gateways that never poll, so an event arrives only by handover or wake, and one that is swallowed stays
 * away for ever. On a busy machine a NOTIFY may get no answer in time: after a loss that the bus of one reports, each polls once. Each
 * round publishes three events on each stream at once, over HTTP at either gateway and from SQL. The clients connect during the first
 * round.
 */
import pLimit from 'p-limit'
import t, { type Test } from 'tap'
import { createDatabase } from '../../harness/database.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { as, type Gateway, publish, startGateway } from '../../harness/gateway.js'
import { byNight } from '../../harness/nightly.js'
import { randomFrom } from '../../harness/random.js'
import { seedOfRun } from '../../harness/seed.js'
import { until } from '../../harness/until.js'

const STREAMS = 400
const ROUNDS = byNight(2, 40)
const EVENTS_A_ROUND = 3
const AT_ONCE = 64
const EVENT = 'thing.made'
const seed = seedOfRun(1)

t.test(
  `no wake is lost: with 400 streams and no poll every client has every event, in order (SLUICE_SEED=${seed})`,
  async t => {
    const { pool, url: databaseUrl } = await createDatabase(t)
    const gateways = [await start(t, databaseUrl), await start(t, databaseUrl)] as const
    const [one, two] = gateways.map(({ gateway }) => gateway) as [Gateway, Gateway]
    await until('both know each other', () =>
      gateways.every(
        ({ gateway: { app } }) => app.bus.status === 'listening' && app.cluster.figures()?.nodes === 2,
      ),
    )
    const before = gateways.map(({ polls }) => polls())
    const poll = pollAfterLosses(gateways)
    const random = randomFrom(seed)
    const slots = pLimit(AT_ONCE)
    const publishOn = (workspace: string) =>
      slots(async () => {
        const via = random.pick([one, two, undefined])
        if (!via) {
          await pool.query(`select sluice.publish($1, 'feed', $2, '{}')`, [workspace, EVENT])
        } else await publish(via, { type: EVENT, data: {} }, { workspace })
      })
    const workspaces = Array.from({ length: STREAMS }, (_, index) => `w-${index}`)

    const round = workspaces.flatMap(workspace => Array<string>(EVENTS_A_ROUND).fill(workspace))

    const first = Promise.all(round.map(publishOn))
    const clients = await Promise.all(
      workspaces.flatMap(workspace => [one, two].map(gateway => slots(() => follow(t, gateway, workspace)))),
    )
    await first
    for (let due = EVENTS_A_ROUND; due <= ROUNDS * EVENTS_A_ROUND; due += EVENTS_A_ROUND) {
      if (due > EVENTS_A_ROUND) await Promise.all(round.map(publishOn))
      await until(`${due} events at every client`, () => {
        poll()
        return clients.every(client => positionsOf(client).length >= due)
      })
    }

    const expected = Array.from({ length: ROUNDS * EVENTS_A_ROUND }, (_, n) => n + 1).join()
    const found = clients.map(client => positionsOf(client).join())
    t.strictSame([...new Set(found)], [expected])
    const [losses, polled] = [lossesOf(gateways), gateways.map(({ polls }) => polls())]
    if (losses > 0) t.comment(`the buses report ${losses} losses, so events may have arrived by a poll`)
    else t.strictSame(polled, before, 'no wake was for all streams')
  },
)

type Silent = Awaited<ReturnType<typeof start>>

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

/** Each gateway polls once when the bus of one of them has reported another loss. */
function pollAfterLosses(gateways: readonly Silent[]): () => void {
  let known = 0
  return () => {
    const losses = lossesOf(gateways)
    if (losses > known) for (const { gateway } of gateways) gateway.app.tailer.wake('all')
    known = losses
  }
}

function lossesOf(gateways: readonly Silent[]): number {
  return gateways.reduce((sum, { gateway }) => sum + (gateway.app.bus.losses ?? 0), 0)
}

function follow(t: Test, { url }: Gateway, workspace: string): Promise<EventStream> {
  return openStream(t, `${url}/api/events?from=beginning`, { headers: as('viewer', workspace) })
}

/** The positions of the events that a client has received. */
function positionsOf({ messages }: EventStream): number[] {
  return messages.filter(({ event }) => event === EVENT).map(({ id }) => Number.parseInt(id ?? '', 10))
}
