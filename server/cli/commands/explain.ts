/**
 * `sluice explain`: asks a running gateway why a client got an event or did not, and prints the answer. The token comes only from
 * the environment, because everybody on the machine can see arguments.
 */
import { cleanLines } from '../../../src/logging/redaction.js'
import { UsageError } from '../../../src/process/usage.js'
import { command } from '../declaration.js'
import { askForExplanation } from '../explanation-request.js'
import { ExplanationText } from '../explanation-text.js'
import { flag, text, value, valueOr } from '../option.js'

const DEFAULT_URL = 'http://127.0.0.1:8080'

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
    url: valueOr('--url URL', `the gateway (${DEFAULT_URL})`, DEFAULT_URL, {
      parse: address,
      env: 'SLUICE_URL',
    }),
    json: flag('--json', 'print the answer as JSON, as GET /api/explain gives it'),
  },
  examples: [
    'sluice explain 10532.k7f3qa --principal ada',
    'sluice explain 10532.k7f3qa --stream orders/7 --json',
  ],
  notes: `The environment variable SLUICE_TOKEN is a token or an API key of an admin of the workspace. A gateway knows its own clients
and those of its workers: with several nodes, ask each of them by its own URL.`,
  exitCodes: '0 explained, 1 failed, 2 wrong usage',
  async run({ options: { json, url, ...question }, args: [event = ''], env, terminal }) {
    const { SLUICE_TOKEN: token = '' } = env
    if (token === '')
      throw new UsageError('The environment variable SLUICE_TOKEN is missing: a token or an API key.')
    const answer = await askForExplanation({ url: new URL(url), token, event, ...question })
    const said = json ? JSON.stringify(answer, null, 2) : new ExplanationText(answer).text
    await terminal.out.write(`${cleanLines(said)}\n`)
    return undefined
  },
})

function address(given: string): string {
  if (/^https?:\/\//i.test(given) && URL.canParse(given)) return given
  throw new UsageError('--url must be the address of a gateway, such as https://sluice.example.com.')
}
