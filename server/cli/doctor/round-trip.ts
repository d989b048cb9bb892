/**
 * The round trip of events through the URL that clients use. With the rights of an admin doctor publishes to a stream of its own,
 * follows it and deletes it. With fewer rights it only follows the feed, with a filter that no event passes.
 *
 * First it waits for the beginning of the stream. Then it publishes a few small events, one after another, and notes when each
 * arrives. If something is missing it publishes large events until it arrives: that shows a buffer, and its size. At last it
 * keeps silent until the gateway's heartbeat arrives or the connection ends.
 */
import { randomBytes } from 'node:crypto'
import { elapsed } from '../../../src/process/deadline.js'
import { type GatewayProbe, reasonOf, refusalOf } from './gateway-probe.js'
import { type Head, StreamRecord } from './stream-record.js'

const EVENTS = 5
const PAUSE_MS = 120
const PATIENCE_MS = 3_000
/** The size of a large event. Its text is random, so compression does not make it smaller. */
const FILLER_BYTES = 60_000
const MAX_FILLERS = 8
const TYPE = 'doctor.probe'
const FILLER_TYPE = 'doctor.filler'
/** No event has this type. */
const NO_TYPE = 'doctor.none'

export interface RoundTripFacts {
  readonly head: Head | undefined
  /** From the request to the first byte of the body, in ms; undefined if none arrived. */
  readonly firstByteMs: number | undefined
  /** The name of the first block, such as server.state or unavailable, and its data. */
  readonly first: { readonly name: string; readonly id: string; readonly data: string } | undefined
  /** For each small event: when its publish began, and when it arrived; by performance.now(). Empty without the rights. */
  readonly events: readonly { readonly sentAt: number; readonly arrivedAt: number | undefined }[]
  /** Bytes of large events that were published until everything had arrived; 0: none were needed. */
  readonly filledBytes: number
  /** Whether everything had arrived in the end. */
  readonly isComplete: boolean
  readonly quiet: Quiet
  /** The stream of doctor, if it could not be deleted. */
  readonly leftover?: { readonly stream: string; readonly reason: string } | undefined
}

/** The silence after the events. */
export interface Quiet {
  readonly end: 'heartbeat' | 'cut' | 'closed' | 'waited' | 'skipped'
  /** The time since the last byte before the silence. */
  readonly ms: number
  /** How the connection ended, if it did. */
  readonly reason: string
  /** The name of the last block: after `unavailable` or a `server.state` the gateway itself has ended the stream. */
  readonly last: string
}

export interface RoundTripOptions {
  /** Whether to publish to a stream of its own, which takes the rights of an admin. */
  readonly publishes: boolean
  /** How long to wait for a heartbeat; 0: not at all. */
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** @throws if the stream of doctor could not be created, or takes no events. */
export async function tryRoundTrip(
  gateway: GatewayProbe,
  options: RoundTripOptions,
): Promise<RoundTripFacts> {
  if (!options.publishes) return await follow(gateway, `/api/events?last=0&types=${NO_TYPE}`, options)
  const stream = `sluice-doctor-${randomBytes(8).toString('hex')}`
  let facts: RoundTripFacts | undefined
  try {
    await publish(gateway, stream, 'doctor.begun', {})
    facts = await follow(gateway, `/api/events?last=0&stream=${stream}`, options, stream)
  } finally {
    const leftover = await remove(gateway, stream)
    if (facts && leftover) facts = { ...facts, leftover }
  }
  return facts
}

/** @returns what is left; undefined if nothing is. The stream may not exist, if its first publish failed. */
async function remove(gateway: GatewayProbe, stream: string): Promise<RoundTripFacts['leftover']> {
  try {
    const answer = await gateway.ask(`/api/streams/${stream}`, { method: 'DELETE' })
    return answer.status === 204 || answer.status === 404 ? undefined : { stream, reason: refusalOf(answer) }
  } catch (error) {
    return { stream, reason: reasonOf(error) }
  }
}

async function follow(
  gateway: GatewayProbe,
  path: string,
  { waitMs, signal }: RoundTripOptions,
  stream?: string,
): Promise<RoundTripFacts> {
  const record = new StreamRecord(gateway, path)
  try {
    const hasBegun = () => record.blocks.length > 0
    await record.until(hasBegun, PATIENCE_MS, signal)
    const isRefused = record.head !== undefined && record.head.status !== 200
    const sent =
      stream === undefined || !hasBegun() ? [] : await publishSmall(gateway, stream, record, signal)
    const arrived = () => record.blocks.filter(({ name }) => name === TYPE)
    const isComplete = () => hasBegun() && arrived().length >= sent.length
    await record.until(isComplete, PATIENCE_MS, signal)
    const filledBytes =
      stream === undefined || isRefused ? 0 : await fill(gateway, stream, record, isComplete, signal)
    return {
      head: record.head,
      firstByteMs: record.firstByteAt === undefined ? undefined : record.firstByteAt - record.openedAt,
      first: record.blocks[0],
      events: sent.map((sentAt, n) => ({ sentAt, arrivedAt: arrived()[n]?.at })),
      filledBytes,
      isComplete: isComplete(),
      // Behind a buffer no heartbeat arrives.
      quiet: await keepQuiet(record, isComplete() && filledBytes === 0 ? waitMs : 0, signal),
    }
  } finally {
    record.close()
  }
}

/** @returns when each publish began. */
async function publishSmall(
  gateway: GatewayProbe,
  stream: string,
  record: StreamRecord,
  signal: AbortSignal,
): Promise<number[]> {
  const sent: number[] = []
  for (let n = 1; n <= EVENTS && !record.end && !signal.aborted; n += 1) {
    sent.push(performance.now())
    await publish(gateway, stream, TYPE, { n })
    await elapsed(PAUSE_MS, signal)
  }
  return sent
}

async function fill(
  gateway: GatewayProbe,
  stream: string,
  record: StreamRecord,
  isComplete: () => boolean,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0
  for (let n = 0; n < MAX_FILLERS && !isComplete() && !record.end && !signal.aborted; n += 1) {
    await publish(gateway, stream, FILLER_TYPE, {
      filler: randomBytes(FILLER_BYTES * 0.75).toString('base64'),
    })
    bytes += FILLER_BYTES
    await record.until(isComplete, 500, signal)
  }
  return bytes
}

async function keepQuiet(record: StreamRecord, waitMs: number, signal: AbortSignal): Promise<Quiet> {
  const before = record.blocks.length
  const since = record.lastByteAt ?? record.openedAt
  const heartbeat = () => record.blocks.slice(before).find(({ name }) => name === 'heartbeat')
  if (waitMs > 0) await record.until(() => heartbeat() !== undefined, waitMs, signal)
  const { end } = record
  const until = heartbeat()?.at ?? end?.at ?? performance.now()
  return {
    end: heartbeat() ? 'heartbeat' : (end?.how ?? (waitMs > 0 ? 'waited' : 'skipped')),
    ms: until - since,
    reason: end?.reason ?? '',
    last: record.blocks.at(-1)?.name ?? '',
  }
}

async function publish(gateway: GatewayProbe, stream: string, type: string, data: object): Promise<void> {
  const answer = await gateway.ask(`/api/events?stream=${stream}`, { method: 'POST', body: { type, data } })
  if (answer.status !== 201)
    throw new Error(`The stream ${stream} of doctor takes no events: ${refusalOf(answer)}.`)
}
