/**
 * Whether NATS or Redis can be used with the settings of the gateways, tried with a message on a channel of doctor's own, which must come
 * back: so user, rights, TLS and network are tried too.
 */
import { randomUUID } from 'node:crypto'
import type { Broker } from '../../../src/bus/broker.js'
import { type Finding, fault, ok } from './finding.js'

const CHECK = 'bus-reached'
const DEADLINE_MS = 5_000
const NAMES = { nats: 'NATS', redis: 'Redis' } as const

/** @param prefix BUS_PREFIX of the gateways: a user may have rights to these channels only. */
export async function checkBroker(broker: Broker, prefix: string): Promise<Finding> {
  const started = performance.now()
  const name = NAMES[broker.kind]
  try {
    await roundTrip(broker, `${prefix}.doctor-${randomUUID()}`)
    const took = Math.ceil(performance.now() - started)
    return ok(CHECK, `${name} lets doctor connect, and returns its message, in ${took} ms together.`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return fault(
      CHECK,
      `${name} cannot be used: ${reason.replace(/\.$/, '')}. Events of other nodes then wait for a poll.`,
      `Check ${broker.kind === 'nats' ? 'NATS_URL' : 'REDIS_URL'}, the user's rights to the channels ${prefix}.*, and for TLS BUS_CA_FILE.`,
    )
  }
}

/** The message alone is thrown: an error of a Redis client also has its password. */
async function roundTrip(broker: Broker, channel: string): Promise<void> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(new Error('it has not answered in time')), DEADLINE_MS)
  let back = () => {}
  const returned = new Promise<void>((resolve, reject) => {
    back = resolve
    over.signal.addEventListener('abort', () => reject(over.signal.reason))
  })
  returned.catch(() => {})
  const events = { onMessage: () => back(), onLost: (error: unknown) => over.abort(error) }
  try {
    const connection = await broker.connect(channel, events, over.signal).catch(error => {
      // The reason of a refusal comes as an event, before the failure.
      throw over.signal.aborted ? over.signal.reason : error
    })
    try {
      connection.publish([Buffer.from('doctor')]).catch((error: unknown) => over.abort(error))
      await returned
    } finally {
      await connection.close()
    }
  } finally {
    clearTimeout(timer)
  }
}
