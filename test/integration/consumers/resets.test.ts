/** A `reset` of a consumer is not lost: every holder gets it, until one has acknowledged where the consumer continues. */
import t from 'tap'
import { createClient } from '../../../clients/typescript/src/client.js'
import { Consumers } from '../../../clients/typescript/src/consumers/consumers.js'
import type { Database } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { as, publish, startGateway } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'
import {
  acknowledge,
  call,
  consumerOf,
  create,
  numbered,
  numbers,
  open,
  openWhenFree,
  page,
} from './client.js'

const COUNT = (n: number) => Array.from({ length: n }, (_, index) => numbered(index + 1))

t.test('resets of consumers', async t => {
  const { url: databaseUrl, pool } = await createDatabase(t)
  const first = await startGateway(t, { databaseUrl })
  const second = await startGateway(t, { databaseUrl })
  /** Retention removes the first three events of a stream. */
  const expire = async (stream: string) => {
    await pool.query(
      `with gone as (update sluice.streams set oldest_at = '-infinity' where name = $1 returning id)
       update sluice.events e set at = at - interval '60 days' from gone where stream_id = gone.id and position <= 3`,
      [stream],
    )
    await pool.query(`select sluice.retain('feed', interval '30 days', 1000)`)
    for (const { app } of [first, second]) app.hub.shed()
  }

  t.test('every holder gets the reset, in every form, until one acknowledges it', async t => {
    const old = await publish(first, COUNT(4), { stream: 'gone' })
    await create(first, 'reset', { stream: 'gone' })
    await expire('gone')
    const resetIn = async (stream: Awaited<ReturnType<typeof open>>) =>
      JSON.parse((await stream.until(1, 'reset'))[0]?.data ?? '')
    const reset = { reason: 'retention', earliest: old[2], head: old[3] }

    const killed = await openWhenFree(t, first, 'reset')
    t.strictSame(await resetIn(killed), reset)
    killed.close()
    const next = await openWhenFree(t, second, 'reset')
    t.strictSame(await resetIn(next), reset, 'after the first client has died')
    const path = `${first.url}/api/consumers/reset/events?takeover=true`
    const leaving = new AbortController()
    const lines = await fetch(path, {
      headers: { ...as('editor'), accept: 'application/x-ndjson' },
      signal: leaving.signal,
    })
    t.match(await lineWith(lines, 'reset'), reset, 'after a takeover, as lines')
    leaving.abort()
    const [last = ''] = await publish(first, [numbered(5)], { stream: 'gone' })
    const refused = await page(first, 'reset?takeover=true')
    t.match(refused, { status: 410, body: { code: 'retention', earliest: old[2], head: last } })
    const { epoch } = consumerOf(await openWhenFree(t, first, 'reset'))
    const { body } = await call(first, 'GET', 'reset')
    t.match(body, { cursor: /^0[.]/, lag: { events: 5 }, in_flight: 0 })

    await until('the reset is stored', async () => (await resetPosition(pool, 'reset')) === 5)
    t.match(await acknowledge(second, 'reset', old[3], epoch), { status: 200, body: { cursor: body.cursor } })
    t.match(await acknowledge(second, 'reset', last, epoch), { status: 200, body: { cursor: last } })
    const [after] = await publish(second, [numbered(6)], { stream: 'gone' })
    const settled = await open(t, second, 'reset', '?takeover=true')
    await settled.until(found => found.some(({ id }) => id === after))
    t.strictSame(
      settled.messages.map(({ event }) => event),
      ['server.state', 'thing.made'],
    )
    const { rows } = await pool.query(
      `select data from sluice.events where type = 'consumer.lagging' and data ->> 'consumer' = 'reset'`,
    )
    t.equal(rows.length, 1, 'the workspace is notified once')
  })

  t.test(
    'a reset to an earlier place is settled by its acknowledgement, and comes again without',
    async t => {
      const old = await publish(first, COUNT(4), { stream: 'restored' })
      await create(first, 'back', { stream: 'restored' })
      const holder = await open(t, first, 'back')
      await holder.until(4, 'thing.made')
      await acknowledge(first, 'back', old[3], 1)

      await pool.query(
        `delete from sluice.events e using sluice.streams s where s.name = 'restored' and e.stream_id = s.id and e.position > 2`,
      )
      const [lost] = await holder.until(1, 'reset')
      t.match(JSON.parse(lost?.data ?? ''), { reason: 'history-lost', head: old[1] })
      holder.close()
      const next = await openWhenFree(t, second, 'back')
      await next.until(1, 'reset')
      const { epoch } = consumerOf(next)
      // At once: it may not be stored yet.
      t.match(await acknowledge(first, 'back', old[1], epoch), { status: 200, body: { cursor: old[1] } })
      const [fresh] = await publish(first, [numbered(5)], { stream: 'restored' })
      await next.until(found => found.some(({ id }) => id === fresh))
      next.close()
      const last = await openWhenFree(t, first, 'back')
      await last.until(1, 'thing.made')

      t.strictSame(numbers(last), [5])
      t.equal(last.messages.filter(({ event }) => event === 'reset').length, 0)
    },
  )

  t.test(
    'a client of an SDK that dies while it reloads its state leaves the reset to the next one',
    async t => {
      const old = await publish(first, COUNT(4), { stream: 'sdk' })
      await create(first, 'sdk', { stream: 'sdk' })
      await expire('sdk')
      const heads: string[] = []
      const consumers = new Consumers(
        createClient({ url: first.url, credentials: token({ role: 'editor' }) }),
      )
      const follow = (reload: () => void) =>
        consumers.follow('sdk', {
          ackEvery: 1,
          reload({ data }) {
            heads.push(data.head)
            reload()
          },
        })
      const dying = follow(() => {
        throw new Error('The state cannot be loaded.')
      })
      await t.rejects(dying.each(() => undefined))
      const cursorOf = async () => (await call(first, 'GET', 'sdk')).body.cursor
      t.match(await cursorOf(), /^0[.]/)

      const next = follow(() => undefined)
      const handled: string[] = []
      const done = next.each(({ id }) => {
        handled.push(id)
        next.close()
      })
      await until('the reset is acknowledged', async () => (await cursorOf()) === old[3])
      const [fresh] = await publish(first, [numbered(5)], { stream: 'sdk' })
      await done
      t.strictSame(heads, [old[3], old[3]])
      t.strictSame(handled, [fresh])
    },
  )
})

async function resetPosition(pool: Database, name: string): Promise<number | undefined> {
  const { rows } = await pool.query('select reset_position::int as p from sluice.consumers where name = $1', [
    name,
  ])
  return rows[0]?.p
}

/** The data of the first line of that type. */
async function lineWith({ body }: Response, type: string): Promise<object> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    const line = text
      .split('\n')
      .slice(0, -1)
      .map(part => JSON.parse(part || '{}'))
      .find(line => line.type === type)
    if (line) return line.data
  }
  throw new Error(`No ${type} in ${text}`)
}
