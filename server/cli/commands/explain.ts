/** `sluice explain`: asks a running gateway why a client got an event or did not, and prints the answer. */
import { cleanLines } from '../../../src/logging/redaction.js'
import { command } from '../declaration.js'
import { askForExplanation } from '../explanation-request.js'
import { ExplanationText } from '../explanation-text.js'
import { withGateway } from '../gateway.js'
import { GATEWAY_NOTES, gatewayOptions } from '../gateway-target.js'
import { flag, text, value } from '../option.js'

export const explainCommand = command({
  description: `Says why a client got an event, or did not: whether the event exists, who published it, and what became of it for
the clients that the gateway remembers. EVENT is an event id, such as 10532.k7f3qa.`,
  args: [{ name: 'EVENT', help: 'the event id' }],
  options: {
    principal: value('--principal ID', 'the clients of this principal', { parse: text }),
    client: value(
      '--client ID',
      "one client, by its connection: the first server.state of its stream names it, and so does the gateway's log",
      { parse: text },
    ),
    stream: value('--stream NAME', 'the stream of the event (feed)', { parse: text }),
    ...gatewayOptions,
    json: flag('--json', 'print the answer as JSON, as GET /api/explain gives it'),
  },
  examples: [
    'sluice explain 10532.k7f3qa --principal ada',
    'sluice explain 10532.k7f3qa --stream orders/7 --json',
  ],
  notes: `The credential must be that of an admin of the workspace. A gateway knows its own clients and those of its workers: with
several nodes, ask each of them by its own URL.

${GATEWAY_NOTES}`,
  exitCodes: '0 explained, 1 failed, 2 wrong usage, 3 refused by the gateway, 4 no gateway answers',
  async run({ options, args: [event = ''], env, terminal }) {
    const { json, principal, client: connection, stream } = options
    const answer = await withGateway({ options, env, terminal }, ({ client }) =>
      askForExplanation(client, { event, principal, client: connection, stream }),
    )
    const said = json ? JSON.stringify(answer, null, 2) : new ExplanationText(answer).text
    await terminal.out.write(`${cleanLines(said)}\n`)
    return undefined
  },
})
