/**
 * Postgres goes away for a while, under open streams: how long from the moment at which it accepts connections again until an event
 * that is published then is at every client, and until a new stream opens.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Breakable } from './breakable.js'
import type { Crowd } from './crowd.js'
import { delaysFrom } from './lost-wakes.js'
import type { Outage } from './own-postgres.js'
import type { Server } from './server.js'
import type { SqlPublisher } from './sql-publisher.js'
import { now } from './statistics.js'

const ASK_AGAIN_MS = 20
const OPEN_DEADLINE_MS = 60_000

export interface Recovery {
  /** Until the first and the last client had the event, and until a new stream was open; ms. */
  readonly firstMs: number
  readonly lastMs: number
  readonly opensMs: number
}

export interface OutageOptions {
  readonly gateway: Breakable
  /** Its streams must stay open. */
  readonly crowd: Crowd
  readonly publisher: SqlPublisher
  readonly how: Outage
  readonly downMs: number
}

export async function outage({ gateway, crowd, publisher, how, downMs }: OutageOptions): Promise<Recovery> {
  const { postgres, server } = gateway
  await postgres.goesAway(how)
  await pause(downMs)
  const { client, at } = await postgres.comesBack()
  try {
    const first = publisher.sent.length
    const opening = opens(server, at)
    await publisher.publish(client)
    const delays = await delaysFrom(first, crowd, publisher)
    const sinceBackMs = ((publisher.sent[first] ?? at) - at) / 1e6
    return {
      firstMs: (delays[0] ?? Number.NaN) + sinceBackMs,
      lastMs: (delays.at(-1) ?? Number.NaN) + sinceBackMs,
      opensMs: await opening,
    }
  } finally {
    await client.end()
  }
}

/** Asks for a stream until one opens. @returns the time since `from`, in ms. */
async function opens({ url, path, viewer, greeting }: Server, from: number): Promise<number> {
  const late = performance.now() + OPEN_DEADLINE_MS
  const headers = { authorization: `Bearer ${viewer}`, accept: 'text/event-stream' }
  while (performance.now() < late) {
    const leaving = new AbortController()
    const response = await fetch(`${url}${path}`, { headers, signal: leaving.signal }).catch(() => undefined)
    let text = ''
    for await (const chunk of response?.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (text.includes(greeting)) break
    }
    const isOpen = text.includes(greeting)
    const at = now()
    leaving.abort()
    if (isOpen) return (at - from) / 1e6
    await pause(ASK_AGAIN_MS)
  }
  throw new Error('No stream opens.')
}
