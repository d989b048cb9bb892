/**
 * Clients that read slowly, or not for a while, on real sockets. By day the clock of the gateway runs four times as fast as ours, so
 * that its 30 s without progress pass in seven; its timers and sockets are as they are. By night it is the real clock. It is no faster,
 * so that a machine that stands still for a while is not taken for a client that has stopped.
 */
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.js'
import { type EventStream, openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { byNight } from '../harness/nightly.js'
import { startProcess } from '../harness/process.js'
import { startSlowRelay } from '../harness/slow-relay.js'
import { until } from '../harness/until.js'

const SPEED = byNight(4, 1)
const HASTY_CLOCK = `const real = Date.now, start = real(); Date.now = () => Math.floor(start + (real() - start) * ${SPEED})`
const PATIENCE_MS = byNight(60_000, 150_000)
const SLOW_FOR_MS = 60_000
/** 20 kB a second by the gateway's clock. Node would notice room after more than 40 s. */
const STEADY = { bytes: 20_000, pauseMs: 1_000 / SPEED }
const FLAPS = byNight(4, 40)
/** Four of them fit into one request. */
const LARGE = 'x'.repeat(240 * 1024)

const { url: databaseUrl } = await createDatabase(t)
const gateway = await startProcess(t, {
  databaseUrl,
  env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(HASTY_CLOCK)}` },
})

t.test('clients that stop, or read very little, for 60 s', async t => {
  const stream = await newStream('slow')
  const relays = await Promise.all([1, 2, 3].map(() => startSlowRelay(t, gateway.port)))
  const [first, second, third] = relays as [Relay, Relay, Relay]
  const stopped = { few: await follow(t, stream, 'small.*'), many: await follow(t, stream) }
  const crawling = {
    few: await follow(t, stream, 'small.*', first.url),
    many: await follow(t, stream, '*', second.url),
  }
  const steady = await follow(t, stream, '*', third.url)
  for (const { response } of [stopped.few, stopped.many]) response.pause()
  for (const relay of [first, second]) relay.slow(1, 1_000 / SPEED)
  third.slow(STEADY.bytes, STEADY.pauseMs)
  const ids = await publishUntilFull(stream, [stopped.many, crawling.many, steady])
  const startedAt = await age(stopped.few)
  const [read = 0, readSteadily = 0, since] = [first.bytes, third.bytes, performance.now()]
  const cut = [stopped.many, crawling.many]
  await until(
    'who reads too little is cut off',
    async () => (await reasonsOf(cut)).every(Boolean),
    PATIENCE_MS,
  )
  await until('60 s are over', async () => (await age(stopped.few)) > startedAt + SLOW_FOR_MS, PATIENCE_MS)
  /** In seconds of the gateway. */
  const lasted = ((performance.now() - since) * SPEED) / 1_000
  const [crawled, rate] = [first.bytes - read, (third.bytes - readSteadily) / lasted]
  const reasons = await reasonsOf([...cut, steady])
  for (const { response } of [stopped.few, stopped.many]) response.resume()
  for (const relay of relays) relay.hurry()

  /** Its two clients: few bytes wait for one of them, and more than the buffers hold for the other one. */
  const resumes = async (t: Test, { few, many }: typeof stopped, reason: string | undefined) => {
    await few.until(ids.small.length, 'small.made')
    await many.ended()
    t.same(idsOf(few), ids.small, 'what fits into the buffers arrives on the same connection')
    t.equal(reason, 'stalled')
    await continues(t, stream, many, ids.all)
  }

  await t.test(
    'one that has stopped gets what the kernel holds, and resumes with what it missed',
    async t => await resumes(t, stopped, reasons[0]),
  )

  await t.test(
    'one that reads a byte per second gets what the kernel holds, and resumes with what it missed',
    async t => {
      t.ok(crawled > 0 && crawled < 2 * lasted, `${crawled} bytes in ${Math.round(lasted)} s`)
      await resumes(t, crawling, reasons[1])
    },
  )

  await t.test(
    'one that reads steadily keeps its connection, although its buffer has no room to report',
    async t => {
      t.comment(`${Math.round(rate)} bytes a second`)
      t.ok(rate < 45_000, 'too slow for Node to notice')
      t.equal(reasons[2], undefined, 'it was not cut off')
      await steady.until(messages => idsOf({ messages }).length >= ids.all.length)
      t.same(idsOf(steady), ids.all)
    },
  )
})

t.test('a client that is full again and again gets each event once', async t => {
  const stream = await newStream('flapping')
  const client = await follow(t, stream)
  const ids: string[] = []
  for (let flap = 0; flap < FLAPS; flap += 1) {
    client.response.pause()
    ids.push(...(await publishUntilFull(stream, [client])).all)
    client.response.resume()
    // In some rounds it has read everything when it stops again, in others it is still behind.
    if (flap % 2 === 0) await client.until(messages => idsOf({ messages }).length === ids.length)
    else await until('it has room', async () => (await rowOf(client))?.state !== 'full')
  }
  await client.until(messages => idsOf({ messages }).length >= ids.length)

  t.same(idsOf(client), ids)
  t.match(await rowOf(client), { resets: 0 }, 'on the same connection')
})

type Relay = Awaited<ReturnType<typeof startSlowRelay>>

/** A stream that nobody has published to cannot be followed. */
async function newStream(stream: string): Promise<string> {
  await publish(gateway, { type: 'stream.opened', data: {} }, { stream })
  return stream
}

async function follow(t: Test, stream: string, types = '*', origin = gateway.url, lastId?: string) {
  const url = `${origin}/api/events?stream=${stream}&types=${types}&from=beginning`
  const headers = { ...as('viewer'), ...(lastId !== undefined && { 'last-event-id': lastId }) }
  const opened = await openStream(t, url, { headers, patienceMs: PATIENCE_MS })
  if (opened.response.statusCode !== 200)
    throw new Error(`The stream was refused: ${opened.response.statusCode}`)
  await opened.until(1, 'server.state')
  return opened
}

/** Publishes until so much waits for each of the clients that the gateway writes nothing to it, and some more. */
async function publishUntilFull(stream: string, clients: EventStream[]) {
  const [all, small]: [string[], string[]] = [[], []]
  const add = async () => {
    const batch = [1, 2, 3, 4].map(() => ({ type: 'large.made', data: { text: LARGE } }))
    const [id = '', ...rest] = await publish(gateway, [{ type: 'small.made', data: {} }, ...batch], {
      stream,
    })
    small.push(id)
    all.push(id, ...rest)
  }
  const full = new Set<EventStream>()
  await until('each was full', async () => {
    await add()
    for (const client of clients) if (await wasFull(client)) full.add(client)
    return full.size === clients.length
  })
  await add()
  return { all, small }
}

/** Also one that was cut off for it before anybody looked. */
async function wasFull(client: EventStream): Promise<boolean> {
  return (await rowOf(client))?.state === 'full' || (await rowOf(client, 'closed'))?.reason === 'stalled'
}

/** What a client missed follows what it has. */
async function continues(t: Test, stream: string, { messages }: EventStream, all: string[]): Promise<void> {
  const had = idsOf({ messages })
  t.ok(had.length < all.length, `${had.length} of ${all.length} had arrived`)
  const resumed = await follow(t, stream, '*', gateway.url, had.at(-1) ?? '0')
  await resumed.until(found => idsOf({ messages: found }).length >= all.length - had.length)
  t.same([...had, ...idsOf(resumed)], all, 'it resumed with what it missed')
}

function idsOf({ messages }: Pick<EventStream, 'messages'>): (string | undefined)[] {
  return messages.filter(({ event }) => event?.endsWith('.made')).map(({ id }) => id)
}

interface Row {
  readonly connection: string
  readonly state: string
  readonly age_ms: number
  readonly reason: string
  readonly resets: number
}

async function rowsOf(list: 'clients' | 'closed'): Promise<Row[]> {
  const path = list === 'clients' ? '/api/clients' : '/api/clients/closed'
  const answer = await fetch(`${gateway.url}${path}?limit=200`, { headers: as('admin') })
  return Object(await answer.json())[list]
}

/** The client as its gateway sees it. */
async function rowOf(client: EventStream, list: 'clients' | 'closed' = 'clients'): Promise<Row | undefined> {
  const named = JSON.parse(client.messages[0]?.data ?? '{}').connection
  return (await rowsOf(list)).find(({ connection }) => connection === named)
}

/** Milliseconds by the gateway's clock. */
async function age(client: EventStream): Promise<number> {
  return (await rowOf(client))?.age_ms ?? Number.NaN
}

/** Why the gateway has ended them, if it has. */
async function reasonsOf(clients: EventStream[]): Promise<(string | undefined)[]> {
  return await Promise.all(clients.map(async client => (await rowOf(client, 'closed'))?.reason))
}
