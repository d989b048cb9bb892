import t from 'tap'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pacing } from '../../../src/hub/scheduling/pacing.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { sse } from '../../../src/sse/encoding.js'
import { countTurns, spin } from '../../harness/event-loop.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { startHub } from '../../harness/hub.js'

const OPEN = `where=${encodeURIComponent('data.state eq "open"')}`
const OTHER = '{"state":"closed"}'
const MATCH = '{"state" : "\\u006fpen"}'

t.test(
  'a client gets each match once and in order: of the past, while others publish, live, and when it resumes',
  async t => {
    const { url, append } = await startHub(t)
    const ids: string[] = []
    const lay = async (others: number, matches: number) => {
      await append(others, OTHER)
      ids.push(...(await append(matches, MATCH)))
    }
    await lay(9_000, 1)
    await lay(9_000, 3)
    const publish = async () => {
      for (let n = 0; n < 10; n += 1) await lay(300, 1)
    }

    const [client] = await Promise.all([openStream(t, `${url}?from=beginning&${OPEN}`), publish()])
    await client.until(() => events(client).length === 14)
    await lay(1, 1)
    await client.until(() => events(client).length === 15)
    t.strictSame(events(client), ids)

    const resumed = await openStream(t, `${url}?from=${ids[2]}&${OPEN}`)
    await resumed.until(() => events(resumed).length === 12)
    t.strictSame(events(resumed), ids.slice(3))
  },
)

t.test('a client gets the cursor behind the events that its condition leaves out', async t => {
  const { url, append } = await startHub(t)
  const past = await append(9_000, OTHER)

  const client = await openStream(t, `${url}?from=beginning&${OPEN}`)

  await client.until(() => client.text().includes(`id: ${past.at(-1)}\n\n`))
  t.strictSame(events(client), [])
})

t.test('a condition and types together select the events that both select', async t => {
  const { url, append } = await startHub(t)
  const client = await openStream(t, `${url}?types=wanted&${OPEN}`)

  await append(1, MATCH, ['other'])
  await append(1, OTHER, ['wanted'])
  const [id] = await append(1, MATCH, ['wanted'])
  await client.until(() => events(client).length === 1)

  t.strictSame(events(client), [id])
})

t.test('a delivery through a thousand different conditions is divided into turns', async t => {
  const loop = countTurns(t)
  const stream = streamOf()
  const turns = new Set<number>()
  let served = 0
  for (let n = 0; n < 1_000; n += 1) {
    const filter = EventFilter.of({ where: `data.owner eq "u${n}"` })
    stream.join(
      {
        receive() {
          served += 1
          turns.add(loop.turns)
          if (served % 10 === 0) spin(1)
        },
      },
      sse,
      filter,
    )
  }

  const delivery = stream.receive([eventOf(1, '{"owner":"u7"}')])
  const first = served
  await delivery

  t.ok(first < 500, `${first} clients were served in the first turn`)
  t.equal(served, 1_000)
  t.ok(turns.size >= 10, `${turns.size} turns`)
})

t.test('events without a match that are large are judged in many turns', async t => {
  const stream = streamOf()
  let stepped = 0
  const count = () => {
    stepped += 1
  }
  const where = Array.from({ length: 20 }, (_, n) => `data.a[${n * 1_000}].b eq ${n}`).join(' or ')
  for (let n = 0; n < 50; n += 1)
    stream.join({ receive: count }, sse, EventFilter.of({ where: `${where} or data.n eq ${n}` }))
  const data = `{"a":[${Array<string>(30_000).fill('{"b":-1}').join(',')}]}`

  const delivery = stream.receive([eventOf(1, data)])
  const first = stepped
  await delivery

  t.ok(first < 50, `${first} of 50 filters judged an event of ${data.length} characters in one turn`)
  t.equal(stepped, 50)
})

function streamOf(): HubStream {
  return new HubStream({
    id: 1 as StreamId,
    kind: 'feed',
    closed: false,
    head: { position: 0 as Position, eventId: '00000000-0000-4000-8000-000000000000' },
    pacing: new Pacing(),
    tally: new HubTally(),
    compareHead: () => {},
  })
}

function eventOf(position: number, data: string): StoredEvent {
  const eventId = `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`
  return { position: position as Position, eventId, at: new Date(0), type: 'a', data }
}

function events({ messages }: EventStream): (string | undefined)[] {
  return messages.filter(({ event }) => event !== 'server.state').map(({ id }) => id)
}
