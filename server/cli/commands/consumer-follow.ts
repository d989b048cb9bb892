/** `sluice consumer follow`: writes the events of a consumer, and acknowledges each line that it has written. */
import type { Client } from '../../../clients/typescript/src/client.js'
import { Consumers, TakenOverError } from '../../../clients/typescript/src/consumers/consumers.js'
import { HolderWait } from '../consumers/holder-wait.js'
import { type Call, command } from '../declaration.js'
import { ExitCode, Failure } from '../exit-code.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, integer, value } from '../option.js'
import { eventLine, jsonLine, noticeLine } from '../tail/event-line.js'
import { Outages } from '../tail/outages.js'
import { matchesTypes, typeTerms } from '../type-terms.js'

const options = {
  takeover: flag('--takeover', 'take the consumer over from the client that holds it, instead of waiting'),
  standby: flag('--standby', 'when another client takes the consumer over, wait until it is free again'),
  count: value('--count N', 'end after N events', { parse: integer(1, 999_999_999) }),
  exitOn: value('--exit-on TYPES', 'end after an event of one of these types', { parse: typeTerms }),
  json: flag('--json', 'one JSON document per event and line, as the gateway sends it (NDJSON)'),
  ...gatewayOptions,
}

export const followCommand = command({
  description: `Writes the events of a consumer as they happen, from its cursor on: a line with time, event id, type and data. What was
written is acknowledged, so it is not written again.`,
  args: [{ name: 'NAME', help: 'the name of the consumer' }],
  options,
  examples: [
    'sluice consumer follow billing',
    'sluice consumer follow billing --json | ./import-orders',
    'sluice consumer follow billing --takeover --exit-on deployment.finished',
  ],
  notes: `One client at a time holds a consumer. This command waits until it is free, unless --takeover is given.

Lines are acknowledged together, at least once a second. After a kill (SIGKILL) or a lost connection, lines that were not acknowledged
are written again. Lines in a pipe are acknowledged even if their reader has not handled them yet: use a client of your own where that matters.

An interruption loses nothing; the command says so once per outage, on standard error. If events are missing because the gateway no
longer has them, it says so there, with --json also as a line of type reset, and continues after the gap.

${GATEWAY_NOTES}`,
  exitCodes:
    '0 --count or --exit-on was reached, 1 failed, 2 wrong usage, 3 refused by the gateway, or taken over by another client, 130 Ctrl-C',
  run: call => withGateway(call, ({ client, target }) => follow(client, target.url, call)),
})

async function follow(client: Client, url: string, call: Call<typeof options>): Promise<undefined> {
  const { options: given, terminal } = call
  const { out, err } = terminal
  const [name = ''] = call.args
  const wait = new HolderWait(name, err, new Outages(url, err))
  const consumer = new Consumers(client).follow(name, {
    takeover: given.takeover,
    standby: given.standby,
    envelope: true,
    signal: call.interruption(),
    onState: state => wait.onState(state),
    onNotice: notice => wait.onNotice(notice),
    async reload(notice) {
      const { reason, head } = notice.data
      await err.line(`Events are missing (${reason}); the consumer continues after ${head}.`)
      if (given.json) await out.write(noticeLine(notice))
    },
  })
  let count = 0
  try {
    for await (const event of consumer) {
      await out.write(given.json ? jsonLine(event) : eventLine(event, out))
      count += 1
      // Not left by `break`: the loop's next step acknowledges the event.
      if (count === given.count || matchesTypes(event.type, given.exitOn)) consumer.close()
    }
  } catch (error) {
    throw error instanceof TakenOverError ? takenOver(name, error) : error
  }
  return undefined
}

function takenOver(name: string, { code }: TakenOverError): Failure {
  const text = `Another client has the consumer ${name} now (${code}). Wait with --standby, or take it back with --takeover.`
  return new Failure(text, ExitCode.refused)
}
