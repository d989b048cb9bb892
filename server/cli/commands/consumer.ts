/** `sluice consumer`: named cursors on streams, which the gateway keeps. */
import { Consumers } from '../../../clients/typescript/src/consumers/consumers.js'
import { command, type Noun } from '../declaration.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, integer, valueOr } from '../option.js'
import { writeList } from '../shown.js'
import { ackCommand, deleteCommand, putCommand, seekCommand, writeConsumer } from './consumer-changes.js'

const EXIT_CODES = '0 done, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers'
const declared = { notes: GATEWAY_NOTES, exitCodes: EXIT_CODES }

const listCommand = command({
  description: 'Lists the consumers of the workspace, how far they are behind, and who holds them.',
  options: {
    limit: valueOr('--limit N', 'at most this many (100)', 100, { parse: integer(1, 1_000_000) }),
    json: flag('--json', 'print one JSON document per line'),
    ...gatewayOptions,
  },
  examples: ['sluice consumer list', 'sluice consumer list --json | jq .lag.events'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const { limit, json } = call.options
      await writeList(new Consumers(client).list({ limit: Math.min(limit, 200) }), call.terminal.out, {
        limit,
        json,
        head: ['NAME', 'STREAM', 'BEHIND', 'SECONDS', 'IN FLIGHT', 'HELD BY', 'CURSOR'],
        row: ({ name, stream, lag, in_flight, holder, cursor }) => [
          name,
          stream,
          String(lag.events),
          String(lag.seconds),
          String(in_flight),
          holder?.principal ?? '',
          cursor,
        ],
      })
      return undefined
    }),
})

const showCommand = command({
  description: 'Shows a consumer: its settings, its cursor, how far it is behind, and who holds it.',
  args: [{ name: 'NAME', help: 'the name of a consumer' }],
  options: { json: flag('--json', 'print JSON'), ...gatewayOptions },
  examples: ['sluice consumer show billing'],
  ...declared,
  run: call =>
    withGateway(call, async ({ client }) => {
      const [name = ''] = call.args
      await writeConsumer(call.terminal, await new Consumers(client).get(name), call.options.json)
      return undefined
    }),
})

export const consumerNoun: Noun = {
  description: `Consumers are named cursors on streams that the gateway keeps: it hands out events to one client at a time,
and hands them out again if they are not acknowledged in time.`,
  commands: [
    { name: 'put', summary: 'create a consumer, or change its settings', load: () => putCommand },
    { name: 'list', summary: 'list consumers', load: () => listCommand },
    { name: 'show', summary: 'show a consumer', load: () => showCommand },
    {
      name: 'follow',
      summary: 'write the events of a consumer, and acknowledge them',
      load: async () => (await import('./consumer-follow.js')).followCommand,
    },
    { name: 'seek', summary: 'move the cursor of a consumer', load: () => seekCommand },
    { name: 'ack', summary: 'acknowledge events', load: () => ackCommand },
    { name: 'delete', summary: 'delete a consumer', load: () => deleteCommand },
  ],
  exitCodes: EXIT_CODES,
}
