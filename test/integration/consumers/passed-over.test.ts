/** A failover loses events that the filter of a consumer has left out, after its cursor has passed over them: nothing is reset. */
import t from 'tap'
import { createDatabase } from '../../harness/database.js'
import type { EventStream } from '../../harness/event-stream.js'
import { publish, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'
import { acknowledge, create, numbered, numbers, open, page } from './client.js'

const OTHER = { type: 'other', data: {} }
/** The cursor passes over what is left out when the lease is renewed, or a waiting page begins its next part. */
const PASSED = 'the cursor has passed over the events'

t.test('a consumer whose filter has left out lost events', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const gateway = await startGateway(t, { databaseUrl })
  const cursorOf = async (name: string) => {
    const { rows } = await pool.query<{ position: number }>(
      'select cursor_position as position from sluice.consumers where name = $1',
      [name],
    )
    return rows[0]?.position
  }
  /** The new server has the first event only, and the cursor of that time. */
  const loseTail = async (name: string) => {
    await pool.query(
      `with gone as (
         delete from sluice.events e using sluice.streams s
          where s.name = $1 and e.stream_id = s.id and e."position" > 1 returning e."position")
       update sluice.consumers c set cursor_position = e."position", cursor_event_id = e.event_id
         from sluice.events e where c.name = $1 and e.stream_id = c.stream_id and e."position" = 1`,
      [name],
    )
  }
  /** One event that it gets and acknowledges, and two others. */
  const start = async (name: string) => {
    const [first] = await publish(gateway, [numbered(1)], { stream: name })
    await create(gateway, name, { stream: name, types: 'thing.*', max_in_flight: 1 })
    return first
  }
  const others = (name: string) => publish(gateway, [OTHER, OTHER], { stream: name })

  t.test('a live stream goes on, and its acknowledgements count', async t => {
    const first = await start('live')
    const holder = await open(t, gateway, 'live')
    await nth(holder, 1)
    await acknowledge(gateway, 'live', first, 1)
    await others('live')
    await until(PASSED, async () => (await cursorOf('live')) === 3)

    await loseTail('live')
    await publish(gateway, [numbered(2), numbered(3)], { stream: 'live' })
    const two = await nth(holder, 2)
    await acknowledge(gateway, 'live', two, 1)
    await nth(holder, 3)

    t.strictSame(numbers(holder), [1, 2, 3])
    t.equal(holder.messages.filter(({ event }) => event === 'reset').length, 0)
  })

  t.test('a page that waits gets the next event', async t => {
    const first = await start('paged')
    const { body } = await page(gateway, 'paged')
    await acknowledge(gateway, 'paged', first, body.epoch)
    await others('paged')
    const waiting = page(gateway, `paged?wait=20s&epoch=${body.epoch}`)
    await until(PASSED, async () => (await cursorOf('paged')) === 3)

    await loseTail('paged')
    await publish(gateway, [numbered(2)], { stream: 'paged' })

    t.match(await waiting, { status: 200, body: { events: [{ data: { n: 2 } }] } })
  })
})

/** The id of the nth event of the stream. */
async function nth({ messages, until }: EventStream, n: number): Promise<string | undefined> {
  const found = await until(() => messages.filter(isEvent).length >= n)
  return found.filter(isEvent)[n - 1]?.id
}

function isEvent({ event }: EventStream['messages'][number]): boolean {
  return event === 'thing.made'
}
