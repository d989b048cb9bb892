/** `sluice doctor`: looks at a database and at a gateway as operators would, and says what is wrong and what to do about it. */
import { busSettings } from '../../../src/bus/open-bus.js'
import { ConfigError, readConfig } from '../../../src/config/config.js'
import { cleanLines } from '../../../src/logging/redaction.js'
import { databaseAddress } from '../../database-address.js'
import { ContextFile } from '../contexts/context-file.js'
import { command } from '../declaration.js'
import { examine } from '../doctor/doctor.js'
import { type Finding, tallyOf, type Verdict } from '../doctor/finding.js'
import { ExitCode, Failure } from '../exit-code.js'
import { DEFAULT_URL, GATEWAY_NOTES, type GatewayCall, gatewayOptions, targetOf } from '../gateway-target.js'
import { type Environment, flag, integer, valueOr } from '../option.js'
import type { Output, Style } from '../terminal.js'

const WAIT_S = 35
const OLD_S = 300
const LOOK_MS = 2_000
const WORDS: Readonly<Record<Verdict, readonly [word: string, ...styles: Style[]]>> = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  fault: ['FAULT', 'red', 'bold'],
  unknown: ['could not check', 'dim'],
}
const INDENT = ' '.repeat(17)

export const doctorCommand = command({
  description: `Looks for what is wrong with a gateway and its database, and says what to do. With DATABASE_URL (or next to a gateway
with an embedded Postgres) it checks the database, with a URL or a context the gateway and the way to it, with both that they belong together.`,
  options: {
    ...gatewayOptions,
    json: flag('--json', 'print one JSON document: findings with check, verdict, text and remedy'),
    quick: flag(
      '--quick',
      'do not wait for a heartbeat of the gateway, so no short time-out of a proxy is found',
    ),
    wait: valueOr('--wait SECONDS', `wait this long for a heartbeat (${WAIT_S})`, WAIT_S, {
      parse: integer(1, 600),
    }),
    oldAfter: valueOr(
      '--old-after SECONDS',
      `age from which an open transaction is reported (${OLD_S})`,
      OLD_S,
      {
        parse: integer(1, 604_800),
      },
    ),
  },
  examples: [
    'sluice doctor                  # the database of DATABASE_URL, and the gateway of the context',
    'sluice doctor --context prod   # the way through the proxy; best with the credentials of an admin',
    'sluice doctor --json | jq ".findings[] | select(.verdict == \\"fault\\")"',
  ],
  notes: `${GATEWAY_NOTES}

With the credentials of an admin, doctor publishes a few events to a stream of its own
(sluice-doctor-…) and deletes it, which two entries of the audit log record; with fewer rights it only opens a stream. It changes nothing else. On the
database every statement is read-only, ends after 5 s and waits for no lock; LISTEN and NOTIFY use a channel of doctor's own. DATABASE_URL,
LISTEN_DATABASE_URL, DATABASE_POOL, RETENTION_DAYS, BUS and what belongs to it should be those of the gateways.`,
  exitCodes:
    '0 no fault (warnings do not count, nor what could not be checked), 1 at least one fault, 2 wrong usage',
  async run({ options, env, terminal, interruption }) {
    const { json, quick, wait, oldAfter } = options
    const gateway = await gatewayOf({ options, env, terminal })
    const config = configOf(env)
    const { DATABASE_POOL, RETENTION_DAYS, LISTEN_DATABASE_URL } = config
    const bus = busSettings(config, [])
    const findings: Finding[] = []
    const tell = async (finding: Finding) => {
      findings.push(finding)
      if (!json) await terminal.out.write(lineOf(finding, terminal.out))
    }
    if (gateway !== undefined && !quick && terminal.err.isTerminal) {
      await terminal.err.line(
        `This takes up to ${wait} s, until a heartbeat of the gateway arrives (--quick leaves that out).`,
      )
    }
    const signal = interruption()
    await examine(
      {
        databaseUrl: await databaseAddress(env).catch(() => undefined),
        listenUrl: LISTEN_DATABASE_URL,
        poolSize: DATABASE_POOL,
        retentionDays: RETENTION_DAYS,
        broker: bus && 'broker' in bus ? bus : undefined,
        gateway,
        oldS: oldAfter,
        waitMs: quick ? 0 : wait * 1_000,
        signal,
      },
      tell,
    )
    const tally = tallyOf(findings)
    await terminal.out.write(
      json ? `${cleanLines(JSON.stringify({ ...tally, findings }, null, 2))}\n` : summaryOf(findings),
    )
    return signal.aborted ? undefined : tally.fault > 0 ? ExitCode.failed : ExitCode.done
  },
})

/** Undefined if nothing names a gateway and none runs at the default address. */
async function gatewayOf(call: GatewayCall) {
  const { url, token } = await targetOf(call)
  const { options, env, terminal } = call
  const isNamed = Boolean(options.url ?? options.context ?? (env.SLUICE_URL || env.SLUICE_CONTEXT))
  const { current } = await new ContextFile(env, line => terminal.err.line(line)).read()
  if (!isNamed && current === undefined && url === DEFAULT_URL && !(await answers(url))) return undefined
  return { url: new URL(url), credentials: token }
}

async function answers(url: string): Promise<boolean> {
  return await fetch(`${url}/ready`, { signal: AbortSignal.timeout(LOOK_MS) }).then(
    () => true,
    () => false,
  )
}

/** Only these: doctor must start where another variable of the gateway is wrong. */
const READ = [
  'DATABASE_URL',
  'LISTEN_DATABASE_URL',
  'DATABASE_POOL',
  'RETENTION_DAYS',
  'BUS',
  'BUS_PREFIX',
  'NATS_URL',
  'NATS_CREDS_FILE',
  'REDIS_URL',
  'BUS_CA_FILE',
  'BUS_CERT_FILE',
  'BUS_KEY_FILE',
]

/** @throws {Failure} */
function configOf(env: Environment) {
  try {
    return readConfig(Object.fromEntries(READ.map(name => [name, env[name]])))
  } catch (error) {
    throw error instanceof ConfigError ? new Failure(error.message, ExitCode.usage) : error
  }
}

function lineOf({ check, verdict, text, remedy }: Finding, out: Output): string {
  const [word, ...styles] = WORDS[verdict]
  const line = `${out.styled(word.padEnd(INDENT.length), ...styles)}${cleanLines(text)} ${out.styled(`[${check}]`, 'dim')}\n`
  return remedy === undefined ? line : `${line}${INDENT}→ ${cleanLines(remedy)}\n`
}

function summaryOf(findings: readonly Finding[]): string {
  const { fault, warning, ok, unknown } = tallyOf(findings)
  const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`
  return `\n${counted(fault, 'fault', 'faults')}, ${counted(warning, 'warning', 'warnings')}, ${ok} ok, ${unknown} could not be checked.\n`
}
