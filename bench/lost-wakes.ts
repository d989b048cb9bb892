/** How late events are whose wakes are lost: the listener's connection goes silent, or nothing reaches it at all. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Breakable } from './breakable.js'
import type { Crowd } from './crowd.js'
import { withClient } from './seed.js'
import type { SqlPublisher } from './sql-publisher.js'
import { now } from './statistics.js'

const EVERY_MS = 50
/** The canary's interval: the silence begins at any moment of it. */
const CANARY_MS = 5_000

export interface Silence {
  /** From the silence until `/ready` says that the bus is down, and until the bus listens again; ms. */
  readonly noticedMs: number
  readonly replacedMs: number
  /** Of the events from the silence until the bus listened again, from their statement to each client; sorted, ms. */
  readonly delays: readonly number[]
}

/** The connections of the bus go silent once. Every client must have every event. */
export async function silence(gateway: Breakable, crowd: Crowd, publisher: SqlPublisher): Promise<Silence> {
  await gateway.bus('listening')
  await pause(CANARY_MS * Math.random())
  return withClient(gateway.databaseUrl, async client => {
    const first = publisher.sent.length
    let going = true
    const publishing = publisher.publishWhile(client, EVERY_MS, () => going)
    const start = now()
    gateway.network.silence()
    const downAt = await gateway.bus('down')
    const upAt = await gateway.bus('listening')
    going = false
    await publishing
    return {
      noticedMs: (downAt - start) / 1e6,
      replacedMs: (upAt - start) / 1e6,
      delays: await delaysFrom(first, crowd, publisher),
    }
  })
}

/** No wake arrives for a while. @returns the delays of `events` events, sorted, in ms. */
export async function withoutWakes(
  gateway: Breakable,
  crowd: Crowd,
  publisher: SqlPublisher,
  events: number,
): Promise<readonly number[]> {
  gateway.network.refuse()
  await gateway.bus('down')
  const first = publisher.sent.length
  await withClient(gateway.databaseUrl, client =>
    publisher.publishWhile(client, EVERY_MS, () => publisher.sent.length < first + events),
  )
  const delays = await delaysFrom(first, crowd, publisher)
  gateway.network.accept()
  await gateway.bus('listening')
  return delays
}

/** Waits until every client has everything. @returns the delays of event `first` and all later ones, sorted, in ms. */
export async function delaysFrom(
  first: number,
  crowd: Crowd,
  { sent }: SqlPublisher,
): Promise<readonly number[]> {
  await crowd.reached(sent.length)
  const { delays } = await crowd.report(sent.map((at, n) => (n < first ? Number.NaN : at)))
  return delays[0] ?? []
}
