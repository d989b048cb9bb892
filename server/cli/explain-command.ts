/**
 * `sluice explain`: asks a running gateway why a client got an event or did not, and prints the answer. The token comes only from
 * the environment, because everybody on the machine can see arguments.
 */
import { parseArgs } from 'node:util'
import { cleanLines } from '../../src/logging/redaction.js'
import { UsageError, usageError } from '../../src/process/usage.js'
import { type Environment, runCommand } from './command.js'
import { askForExplanation, type Question } from './explanation-request.js'
import { ExplanationText } from './explanation-text.js'

const USAGE = `Usage: node dist/server/main.js explain EVENT [options]

Says why a client got an event, or did not: whether the event exists, who published it, and what became of it for the clients that
the gateway remembers. EVENT is an event id, such as 10532.k7f3qa.

  --principal ID      the clients of this principal
  --client ID         one client, by its connection: the first server.state of its stream names it, and so does the gateway's log
  --stream NAME       the stream of the event (feed)
  --url URL           the gateway; default: SLUICE_URL, else http://127.0.0.1:8080
  --json              print the answer as JSON, as GET /api/explain gives it
  --help, -h          show this

The environment variable SLUICE_TOKEN is a token or an API key of an admin of the workspace. A gateway knows its own clients and
those of its workers: with several nodes, ask each of them by its own URL.

Exit codes: 0 explained, 1 failed, 2 wrong usage.
`

const DEFAULT_URL = 'http://127.0.0.1:8080'

/** @returns the exit code: 0 explained, 1 failed, 2 wrong usage. */
export function explainCommand(args: readonly string[], env: Environment): Promise<0 | 1 | 2> {
  const run = async () => {
    const { json, question } = optionsOf(args, env)
    const answer = await askForExplanation(question)
    const text = json ? JSON.stringify(answer, null, 2) : new ExplanationText(answer).text
    process.stdout.write(`${cleanLines(text)}\n`)
    return true
  }
  return runCommand({ usage: USAGE, args, run })
}

function optionsOf(args: readonly string[], env: Environment): { json: boolean; question: Question } {
  const { positionals, values } = parse(args)
  const [event, ...more] = positionals
  if (event === undefined || more.length > 0)
    throw new UsageError('Expected exactly one argument: the event id.')
  const { SLUICE_TOKEN: token = '', SLUICE_URL } = env
  if (token === '')
    throw new UsageError('The environment variable SLUICE_TOKEN is missing: a token or an API key.')
  const address = values.url ?? SLUICE_URL ?? DEFAULT_URL
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address))
    throw new UsageError('--url must be the address of a gateway, such as https://sluice.example.com.')
  const { principal, client, stream, json = false } = values
  return { json, question: { url: new URL(address), token, event, principal, client, stream } }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ principal: text, client: text, stream: text, url: text },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    })
  } catch (error) {
    throw usageError(error)
  }
}
