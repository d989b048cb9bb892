/** All checks, in the order in which a person would ask: this program, the database, the gateway, both together. */
import type { BrokerSettings } from '../../../src/bus/open-bus.js'
import { startFailure } from '../../start-failure.js'
import { checkBelonging, newestPosition } from './belonging-check.js'
import { checkBroker } from './broker-check.js'
import { differenceOf, judgeClock, readDatabaseClock } from './clock-check.js'
import { DatabaseProbe } from './database-probe.js'
import { attempt, type Finding, fault, ok, unknown } from './finding.js'
import { type Caller, checkCredentials, checkReadiness } from './gateway-checks.js'
import { GatewayProbe } from './gateway-probe.js'
import { checkListen } from './listen-check.js'
import { checkDensity, checkRetention } from './log-checks.js'
import { checkMigrations } from './migration-check.js'
import { checkDatabaseClock, checkNodes } from './node-checks.js'
import { checkRights } from './rights-checks.js'
import { tryRoundTrip } from './round-trip.js'
import { judgeRoundTrip } from './round-trip-verdict.js'
import { checkServer } from './server-checks.js'
import {
  checkConnections,
  checkNotifyQueue,
  checkOldSnapshots,
  checkPrepared,
  checkSlots,
} from './session-checks.js'
import { checkTransport } from './transport-check.js'

const OLDEST_NODE = [20, 19, 2] as const

export interface DoctorOptions {
  readonly databaseUrl?: string | undefined
  readonly listenUrl?: string | undefined
  /** DATABASE_POOL and RETENTION_DAYS of the gateways. */
  readonly poolSize: number
  readonly retentionDays: number
  /** NATS or Redis, if the gateways use it. */
  readonly broker?: Pick<BrokerSettings, 'broker' | 'prefix'> | undefined
  readonly gateway?: { readonly url: URL; readonly credentials?: string | undefined } | undefined
  /** The age from which a transaction counts as old, in seconds. */
  readonly oldS: number
  /** How long to wait for a heartbeat, in ms; 0: not at all. */
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** Calls `tell` with each finding as soon as there is one. */
export async function examine(
  options: DoctorOptions,
  tell: (finding: Finding) => Promise<void>,
): Promise<void> {
  const all = async (findings: readonly Finding[]) => {
    for (const finding of findings) await tell(finding)
  }
  await tell(judgeNode(process.versions.node))
  const { databaseUrl, broker, gateway } = options
  const probe = databaseUrl === undefined ? undefined : new DatabaseProbe(databaseUrl)
  try {
    const hasDatabase =
      probe !== undefined &&
      databaseUrl !== undefined &&
      (await examineDatabase(probe, databaseUrl, options, all))
    if (databaseUrl === undefined) {
      await tell(
        unknown(
          'database-reached',
          'The database was not checked: DATABASE_URL is not set.',
          'Run doctor where the gateway runs, with its DATABASE_URL.',
        ),
      )
    }
    if (broker) await tell(await checkBroker(broker.broker, broker.prefix))
    if (gateway === undefined) {
      await tell(
        unknown(
          'gateway-reached',
          'No gateway was checked: there is no context and no URL.',
          'Log in (sluice login URL), or give --url.',
        ),
      )
    } else
      await examineGateway(
        new GatewayProbe(gateway.url, gateway.credentials),
        hasDatabase ? probe : undefined,
        options,
        all,
      )
  } finally {
    await probe?.close()
  }
}

export function judgeNode(version: string): Finding {
  const parts = version.split('.').map(Number)
  const at = OLDEST_NODE.findIndex((least, n) => parts[n] !== least)
  const isOlder = at >= 0 && (parts[at] ?? 0) < (OLDEST_NODE[at] ?? 0)
  const needed = OLDEST_NODE.join('.')
  return isOlder
    ? fault(
        'program-node',
        `This program runs on Node ${version}. Sluice needs ${needed} or later: earlier ones accept malformed requests.`,
        'Install a newer Node, here and where gateways run.',
      )
    : ok('program-node', `This program runs on Node ${version}.`)
}

/** @returns whether the database answers. */
async function examineDatabase(
  probe: DatabaseProbe,
  url: string,
  { listenUrl, poolSize, retentionDays, oldS }: DoctorOptions,
  all: (findings: readonly Finding[]) => Promise<void>,
): Promise<boolean> {
  try {
    await probe.row('select 1 as up')
  } catch (error) {
    const [text, ...remedy] = startFailure(error, url).split('. ')
    await all([
      fault(
        'database-reached',
        `The database cannot be used: ${text}.`,
        remedy.join('. ') || 'Check DATABASE_URL, and whether the database runs.',
      ),
    ])
    return false
  }
  const checks: readonly (readonly [string, () => Promise<Finding | readonly Finding[]>])[] = [
    ['database-version', () => checkServer(probe)],
    ['database-rights', () => checkRights(probe)],
    ['database-migrations', () => checkMigrations(probe)],
    ['database-listen', () => checkListen(url, listenUrl)],
    ['database-notify-queue', () => checkNotifyQueue(probe)],
    ['database-old-snapshots', () => checkOldSnapshots(probe, oldS)],
    ['database-prepared-transactions', () => checkPrepared(probe, oldS)],
    ['database-replication-slots', () => checkSlots(probe)],
    ['database-connections', () => checkConnections(probe, poolSize)],
    [
      'database-clock',
      async () =>
        judgeClock(
          'database-clock',
          'The clock of the database',
          differenceOf(await readDatabaseClock(probe)),
        ),
    ],
    ['log-density', () => checkDensity(probe)],
    ['log-retention', () => checkRetention(probe, retentionDays)],
  ]
  for (const [name, check] of checks) await all(await attempt(name, check))
  return true
}

async function examineGateway(
  gateway: GatewayProbe,
  probe: DatabaseProbe | undefined,
  { waitMs, signal }: DoctorOptions,
  all: (findings: readonly Finding[]) => Promise<void>,
): Promise<void> {
  const { findings, answers } = await checkReadiness(gateway)
  await all(findings)
  if (!answers) return
  await all(await attempt('gateway-transport', () => checkTransport(gateway.url)))
  let caller: Caller | undefined
  await all(
    await attempt('gateway-credentials', async () => {
      const found = await checkCredentials(gateway)
      caller = found.caller
      return found.findings
    }),
  )
  await all(await attempt('gateway-nodes', () => checkNodes(gateway, caller)))
  await all(await attempt('gateway-database-clock', () => checkDatabaseClock(gateway, caller)))
  if (caller === undefined) {
    await all([unknown('sse-open', 'No stream was opened, because there are no valid credentials.')])
    return
  }
  await all(await attempt('sse-open', () => roundTrip(gateway, caller, waitMs, signal)))
  if (probe !== undefined)
    await all(await attempt('same-database', () => belonging(gateway, probe, caller, signal)))
}

async function roundTrip(
  gateway: GatewayProbe,
  caller: Caller | undefined,
  waitMs: number,
  signal: AbortSignal,
): Promise<Finding[]> {
  if (caller?.role === 'runner')
    return [
      unknown('sse-open', 'A runner may not follow the feed.', 'Give doctor the credentials of an admin.'),
    ]
  const publishes = caller?.role === 'admin' && !caller.isLimited
  return judgeRoundTrip(await tryRoundTrip(gateway, { publishes, waitMs, signal }))
}

async function belonging(
  gateway: GatewayProbe,
  probe: DatabaseProbe,
  caller: Caller | undefined,
  signal: AbortSignal,
): Promise<Finding> {
  const workspace = caller?.workspace ?? ''
  const before = await newestPosition(probe, workspace)
  const { first } = await tryRoundTrip(gateway, { publishes: false, waitMs: 0, signal })
  return await checkBelonging(probe, workspace, first?.id ?? '', before)
}
