/** Checks of a gateway by itself: whether it answers and is ready, its clock, and whether it accepts the credentials. */
import { elapsed } from '../../../src/process/deadline.js'
import { differenceOf, judgeClock, readDateHeader } from './clock-check.js'
import { type Finding, fault, ok, unknown, warning } from './finding.js'
import { type Answer, type GatewayProbe, jsonOf, reasonOf, refusalOf } from './gateway-probe.js'

const MOST_ASKED = 3
const ASK_AGAIN_MS = 1_000

export interface Readiness {
  readonly status?: unknown
  readonly mode?: unknown
  readonly database?: unknown
  readonly bus?: unknown
  readonly memory?: unknown
  readonly replica?: unknown
  readonly notify_queue_percent?: unknown
}

export interface Caller {
  readonly id: string
  readonly workspace: string
  readonly role: string
  readonly isLimited: boolean
}

/** @returns the findings, and whether it is worth while to ask further. */
export async function checkReadiness(
  gateway: GatewayProbe,
): Promise<{ findings: Finding[]; answers: boolean }> {
  const check = 'gateway-reached'
  let answer: Answer
  try {
    answer = await askReadiness(gateway)
  } catch (error) {
    const remedy =
      'Check the URL, the name in DNS, the certificate and the firewall, and that the gateway runs.'
    return {
      findings: [fault(check, `No gateway answers at ${gateway.url.href} (${reasonOf(error)}).`, remedy)],
      answers: false,
    }
  }
  const readiness: Readiness | undefined = jsonOf(answer)
  if (typeof readiness?.mode !== 'string' || ![200, 503].includes(answer.status)) {
    const text = `What answers at ${gateway.url.href} is no gateway: status ${answer.status} for /ready.`
    return {
      findings: [fault(check, text, 'Check the URL, and that the proxy passes all paths to the gateway.')],
      answers: false,
    }
  }
  const ahead = readDateHeader(answer.headers.date, answer.askedAt, answer.answeredAt)
  const clock = ahead
    ? judgeClock(
        'gateway-clock',
        'The clock of the gateway, or of the proxy that answers for it,',
        differenceOf(ahead),
      )
    : unknown('gateway-clock', 'The response has no header Date, so the clocks cannot be compared.')
  return {
    findings: [ok(check, `A gateway answers at ${gateway.url.href}.`), ...judgeReadiness(readiness), clock],
    answers: true,
  }
}

/** Asks again before it believes a refusal: a probe of the database that is late once says little. */
async function askReadiness(gateway: GatewayProbe): Promise<Answer> {
  for (let asked = 1; ; asked += 1) {
    const answer = await gateway.ask('/ready', { isAnonymous: true })
    if (answer.status !== 503 || asked === MOST_ASKED) return answer
    await elapsed(ASK_AGAIN_MS)
  }
}

export function judgeReadiness({
  status,
  mode,
  database,
  bus,
  memory,
  replica,
  notify_queue_percent: queue,
}: Readiness): Finding[] {
  return [
    judgeState(status, mode, database),
    ...judgeReplica(replica),
    judgeBus(bus, queue),
    judgeMemory(Object(memory).state),
  ]
}

function judgeState(status: unknown, mode: unknown, database: unknown): Finding {
  const check = 'gateway-ready'
  const state = `the mode is ${mode}, the database ${database}`
  if (status !== 'ready') {
    const remedy =
      mode === 'draining'
        ? 'It is stopping: ask another one, or run doctor again.'
        : 'Run doctor with DATABASE_URL on the machine of the gateway, and read its log.'
    return fault(check, `The gateway is not ready: ${state}.`, remedy)
  }
  if (database !== 'up') {
    return fault(
      check,
      `The gateway serves only in part: ${state}.`,
      'Run doctor with DATABASE_URL: it says what the database lacks.',
    )
  }
  if (mode === 'maintenance') {
    return warning(
      check,
      'Maintenance is on: changes are refused.',
      'Switch it off: PUT /api/server/state {"mode":"normal"}.',
    )
  }
  return mode === 'normal'
    ? ok(check, `The gateway is ready: ${state}.`)
    : warning(
        check,
        `The gateway is ready, but ${state}: events may be late.`,
        'Look at the other findings, and at the log of the gateway.',
      )
}

function judgeBus(bus: unknown, queue: unknown): Finding {
  const check = 'gateway-bus'
  if (bus === 'off') {
    return warning(
      check,
      'NOTIFY is switched off (BUS=memory or BUS_NOTIFY=off): events of other nodes wait for a poll.',
      'Leave both variables out, if the database has room for NOTIFY.',
    )
  }
  if (bus !== 'listening') {
    const full = typeof queue === 'number' && queue > 50
    return full
      ? fault(
          check,
          `The queue of NOTIFY is ${queue} % full, so the gateway sends no wakes.`,
          'Run doctor with DATABASE_URL: it names the session that keeps the queue.',
        )
      : fault(
          check,
          'The bus of the gateway is down: events of other nodes wait for a poll.',
          'With NOTIFY, set LISTEN_DATABASE_URL to the primary itself, without a pooler. With NATS or Redis, run doctor with BUS and the URL of the gateways; their log has the reason.',
        )
  }
  return ok(check, 'The gateway receives the wakes of other nodes.')
}

function judgeReplica(state: unknown): Finding[] {
  const check = 'gateway-replica'
  if (state === undefined) return []
  return state === 'up'
    ? [ok(check, 'The replica of READ_DATABASE_URL delivers pages to clients that catch up.')]
    : [
        warning(
          check,
          `The replica of READ_DATABASE_URL is ${state}: the primary serves all clients that catch up.`,
          'Look at the log of the gateway, and set READ_DATABASE_URL to a standby of the primary.',
        ),
      ]
}

function judgeMemory(state: unknown): Finding {
  const check = 'gateway-memory'
  if (state === 'low')
    return fault(
      check,
      'The process is short of memory: it refuses new streams and bodies.',
      'Give it more (--max-old-space-size, the container), or start another node.',
    )
  return state === 'tight'
    ? warning(
        check,
        'The memory of the process is tight: its caches are emptied.',
        'Give it more (--max-old-space-size, the container), or start another node.',
      )
    : ok(check, 'The process has enough memory.')
}

export async function checkCredentials(
  gateway: GatewayProbe,
): Promise<{ findings: Finding[]; caller: Caller | undefined }> {
  const check = 'gateway-credentials'
  if (!gateway.hasCredentials) {
    const remedy =
      'Log in (sluice login), or set SLUICE_TOKEN to a token or an API key; with those of an admin doctor checks most.'
    return {
      findings: [unknown(check, 'Doctor has no credentials, so it opened no stream.', remedy)],
      caller: undefined,
    }
  }
  const answer = await gateway.ask('/api/principal')
  const { id, workspace, role, grants } = jsonOf(answer) ?? {}
  if (
    answer.status !== 200 ||
    typeof id !== 'string' ||
    typeof workspace !== 'string' ||
    typeof role !== 'string'
  ) {
    return {
      findings: [
        fault(
          check,
          `The gateway refuses the credentials: ${refusalOf(answer)}.`,
          'Log in again (sluice login), or set SLUICE_TOKEN anew.',
        ),
      ],
      caller: undefined,
    }
  }
  const caller = { id, workspace, role, isLimited: grants !== null && grants !== undefined }
  return {
    findings: [ok(check, `The credentials are those of ${id}, ${role} of the workspace ${workspace}.`)],
    caller,
  }
}
