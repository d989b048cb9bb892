/** The moment in which a subscription goes live. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Position, StoredEvent } from '../../../src/log/event.js'
import { openStream } from '../../harness/event-stream.js'
import { startHub } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

/** More than pass from the step that joins the fan-out group to the end of the loop that catches up. */
const MICROTASKS = 12

t.test('a subscription that falls behind at any moment of going live gets what follows', async t => {
  const { url, append, hub } = await startHub(t)
  await append(1)
  const handle = await hub.open('acme', 'feed')
  if (!handle) throw new Error('The feed is missing.')
  t.teardown(() => handle.release())
  const { stream } = handle
  const join = stream.join.bind(stream)
  const delays = Array.from({ length: MICROTASKS }, (_, n) => n + 1)
  stream.join = (member, ...rest) => {
    const leave = join(member, ...rest)
    const delay = delays.shift()
    if (delay !== undefined) void after(delay).then(() => member.receive(undefined, event(8), event(9)))
    return leave
  }

  const clients = await Promise.all(Array.from(delays, () => openStream(t, url)))
  await until('each has joined', () => delays.length === 0)
  const [id] = await append(1)
  const hasIt = ({ messages }: (typeof clients)[number]) => messages.some(message => message.id === id)
  await until('each has the event', () => clients.every(hasIt)).catch(error => t.comment(error.message))

  t.strictSame(clients.map(hasIt), Array(MICROTASKS).fill(true))
})

async function after(microtasks: number): Promise<void> {
  for (let n = 1; n < microtasks; n += 1) await undefined
}

/** One that continues no cursor. */
function event(position: number): StoredEvent {
  return {
    position: position as Position,
    eventId: randomUUID(),
    type: 'thing.made',
    data: '{}',
    at: new Date(0),
    traceparent: null,
  }
}
