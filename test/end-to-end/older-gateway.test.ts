/** A gateway of an older version beside one of this version, as during a deployment. By night only: the older one must be built. */
import t, { type Test } from 'tap'
import { createEmptyDatabase } from '../harness/database.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { byNight } from '../harness/nightly.js'
import { buildBefore } from '../harness/older-version.js'
import { type GatewayProcess, startProcess } from '../harness/process.js'
import { until } from '../harness/until.js'

/** Versions from before these. */
const MIGRATIONS = ['0068_durable_subscriptions.sql', '0060_stream_clients.sql']
const EVENTS = 200

if (byNight(false, true))
  for (const migration of MIGRATIONS) {
    t.test(
      `a gateway from before ${migration} works on beside one of this version, until it is replaced`,
      async t => {
        const program = await buildBefore(t, migration)
        const { url: databaseUrl, pool } = await createEmptyDatabase(t)
        const old = await startProcess(t, { databaseUrl, program, env: { DRAIN_MS: '500' } })
        const before = [await follow(t, old), await follow(t, old)]
        await publish(old, event(0))
        const now = await startProcess(t, { databaseUrl })
        const gateways = [old, now] as const
        const followers = [...before, await follow(t, now), await follow(t, now)]

        for (let n = 1; n < EVENTS; n += 1) {
          if (n % 5 > 0) await publish(gateways[n % 2] ?? now, event(n))
          else await pool.query(`select sluice.publish('acme', 'feed', 'thing.made', $1)`, [event(n).data])
        }
        for (const follower of followers) await has(follower, EVENTS)
        const places = followers.map(follower => eventsOf(follower)[EVENTS / 2 - 1]?.id)
        const moved = await Promise.all(followers.map((_, n) => follow(t, n < 2 ? now : old, places[n])))
        for (const follower of moved) await has(follower, EVENTS / 2)

        const all = Array.from({ length: EVENTS }, (_, n) => n)
        for (const follower of followers) t.same(numbersOf(follower), all)
        for (const follower of moved)
          t.same(numbersOf(follower), all.slice(EVENTS / 2), 'it changed the gateway')

        const part = { part_number: 'P-1', description: 'old', item_type: 'part' }
        await send(old, 'POST', '/api/items', part)
        t.match(await send(now, 'GET', '/api/items/P-1'), part)
        const job = await send(now, 'POST', '/api/jobs', { kind: 'command' })
        t.match(await send(old, 'GET', `/api/jobs/${job.id}`), { id: job.id, status: 'queued' })

        const ended = Promise.all(before.map(follower => follower.ended()))
        t.equal(await old.stop(), 0)
        t.same(await ended, [true, true], 'a clean end')
        await publish(now, event(EVENTS))
        const last = await Promise.all(before.map(follower => follow(t, now, eventsOf(follower).at(-1)?.id)))
        for (const follower of last) await has(follower, 1)
        for (const follower of last) t.same(numbersOf(follower), [EVENTS], 'it resumed elsewhere')

        await t.rejects(
          startProcess(t, { databaseUrl, program }),
          /newer Sluice/,
          'the old one does not start again',
        )
        t.equal(await now.stop(), 0)
      },
    )
  }
else t.pass('by night')

async function follow(t: Test, { url }: GatewayProcess, lastId?: string): Promise<EventStream> {
  const headers = { ...as('viewer'), ...(lastId !== undefined && { 'last-event-id': lastId }) }
  const stream = await openStream(t, `${url}/api/events?types=thing.*&from=beginning`, { headers })
  await stream.until(1)
  return stream
}

function event(n: number) {
  return { type: 'thing.made', data: { n } }
}

function eventsOf({ messages }: EventStream) {
  return messages.filter(({ event }) => event === 'thing.made')
}

function numbersOf(stream: EventStream): number[] {
  return eventsOf(stream).map(({ data }) => JSON.parse(data).n)
}

async function has(stream: EventStream, count: number): Promise<void> {
  await until(`${count} events`, () => eventsOf(stream).length >= count)
}

async function send({ url }: GatewayProcess, method: string, path: string, body?: object) {
  const response = await fetch(url + path, {
    method,
    headers: { ...as('editor'), 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return Object(await response.json())
}
