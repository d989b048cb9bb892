/** The commands of `sluice consumer` that change one. */
import { type ConsumerDocument, Consumers } from '../../../clients/typescript/src/consumers/consumers.js'
import { command } from '../declaration.js'
import { duration } from '../duration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, integer, text, value } from '../option.js'
import { shown } from '../shown.js'
import { feedOptions } from '../tail/feed-options.js'
import type { Terminal } from '../terminal.js'

const NAME = { name: 'NAME', help: 'the name of a consumer' }
const json = flag('--json', 'print JSON')
const declared = {
  notes: GATEWAY_NOTES,
  exitCodes: '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers',
}

export const putCommand = command({
  description:
    'Creates a consumer, or gives an existing one these settings: an option that is missing means its default.',
  args: [NAME],
  options: {
    stream: value('--stream NAME', 'the stream (feed); it cannot be changed', { parse: text }),
    types: feedOptions.types,
    where: feedOptions.where,
    start: value(
      '--start PLACE',
      'of a new consumer: now (default), beginning, an event id, or a time such as 2026-11-21T06:00:00Z',
      { parse: text },
    ),
    ackTimeout: value(
      '--ack-timeout DURATION',
      'hand out again what is not acknowledged for 1s to 1h (30s)',
      {
        parse: duration,
      },
    ),
    maxInFlight: value('--max-in-flight N', 'events that may be handed out and not acknowledged (256)', {
      parse: integer(1, 10_000),
    }),
    description: value('--description TEXT', 'for people', { parse: text }),
    json,
    ...gatewayOptions,
  },
  examples: [
    "sluice consumer put billing --stream orders --types 'order.*' --start beginning",
    'sluice consumer put mailer --max-in-flight 1 --ack-timeout 5m',
  ],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [name = ''] = call.args
      const { stream, types, where, start, ackTimeout, maxInFlight, description, json } = call.options
      const consumer = await new Consumers(client).put(name, {
        stream,
        types,
        where,
        start,
        ack_timeout_ms: ackTimeout,
        max_in_flight: maxInFlight,
        description,
      })
      await writeConsumer(call.terminal, consumer, json)
      return undefined
    }),
})

export const seekCommand = command({
  description: 'Moves the cursor of a consumer. A client that follows it continues there.',
  args: [
    NAME,
    { name: 'PLACE', help: 'now, beginning, an event id, or a time such as 2026-11-21T06:00:00Z' },
  ],
  options: { json, ...gatewayOptions },
  examples: ['sluice consumer seek billing beginning', 'sluice consumer seek billing 2026-11-21T06:00:00Z'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [name = '', to = ''] = call.args
      await writeConsumer(call.terminal, await new Consumers(client).seek(name, to), call.options.json)
      return undefined
    }),
})

export const ackCommand = command({
  description: 'Acknowledges all events of a consumer up to one, so that they are not handed out again.',
  args: [NAME, { name: 'ID', help: 'the id of an event' }],
  options: {
    epoch: value('--epoch N', 'fail if another client has held the consumer since this epoch', {
      parse: integer(1, 999_999_999),
    }),
    json,
    ...gatewayOptions,
  },
  examples: ['sluice consumer ack billing 10532.k7f3qa'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [name = '', id = ''] = call.args
      const { epoch, json } = call.options
      const { cursor, lag } = await new Consumers(client).acknowledge(name, id, { epoch })
      await call.terminal.out.write(
        shown(json ? { cursor, lag } : { cursor, lag: `${lag.events} events` }, json),
      )
      return undefined
    }),
})

export const deleteCommand = command({
  description: 'Deletes a consumer. Its stream keeps its events.',
  args: [NAME],
  options: gatewayOptions,
  examples: ['sluice consumer delete billing'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [name = ''] = call.args
      await new Consumers(client).delete(name)
      await call.terminal.err.line(`The consumer ${name} is deleted.`)
      return undefined
    }),
})

/** Writes, for a person, how far the consumer is behind, and who holds it. */
export async function writeConsumer(
  { out }: Terminal,
  consumer: ConsumerDocument,
  json: boolean,
): Promise<void> {
  const { lag, holder } = consumer
  const inWords = {
    ...consumer,
    lag: `${lag.events} events, ${lag.seconds} s`,
    holder: holder && `${holder.principal} since ${holder.since}, epoch ${holder.epoch}`,
  }
  await out.write(shown(json ? consumer : inWords, json))
}
