/** Checks of the cluster behind a gateway: the versions and the modes of its nodes, and the clock of its database. */
import { packageVersion } from '../../../src/process/package-version.js'
import { judgeClock } from './clock-check.js'
import { type Finding, ok, unknown, warning } from './finding.js'
import type { Caller } from './gateway-checks.js'
import { type GatewayProbe, jsonOf, refusalOf } from './gateway-probe.js'

/** A node sends a heartbeat every 2 s. */
const STALE_MS = 6_000

export interface NodeFacts {
  readonly name: string
  readonly version: string
  readonly mode: string
  readonly heartbeat_age_ms: number
}

export async function checkNodes(gateway: GatewayProbe, caller: Caller | undefined): Promise<Finding[]> {
  if (caller?.role !== 'admin' || caller.isLimited) {
    const answer = await gateway.ask('/openapi.json', { isAnonymous: true })
    const version: unknown = Object(jsonOf(answer)?.info).version
    const nodes = unknown(
      'gateway-nodes',
      'The nodes of the cluster are shown to admins only.',
      'Give doctor the credentials of an admin.',
    )
    return typeof version === 'string' ? [judgeVersions([version]), nodes] : [nodes]
  }
  const answer = await gateway.ask('/api/clients?limit=1')
  const nodes: unknown = jsonOf(answer)?.nodes
  if (!Array.isArray(nodes)) {
    const text =
      nodes === null
        ? 'The nodes of the cluster are shown to operators only.'
        : `The gateway does not list its nodes: ${refusalOf(answer)}.`
    return [unknown('gateway-nodes', text)]
  }
  const facts = nodes as readonly NodeFacts[]
  return [judgeVersions(facts.map(({ version }) => version)), judgeNodes(facts)]
}

export function judgeVersions(versions: readonly string[], own = packageVersion()): Finding {
  const check = 'gateway-version'
  const distinct = [...new Set(versions)].sort()
  if (distinct.length > 1) {
    return warning(
      check,
      `The nodes run different versions: ${distinct.join(', ')}.`,
      'This is right while you deploy. Otherwise update the old nodes.',
    )
  }
  const [version = own] = distinct
  return version === own
    ? ok(check, `The gateway runs Sluice ${version}, as this program does.`)
    : warning(
        check,
        `The gateway runs Sluice ${version}, and this program is ${own}.`,
        'Run doctor of the same version: another one knows other migrations.',
      )
}

export function judgeNodes(nodes: readonly NodeFacts[]): Finding {
  const check = 'gateway-nodes'
  const stale = nodes.filter(node => node.heartbeat_age_ms > STALE_MS)
  const unwell = nodes.filter(({ mode }) => mode !== 'normal')
  if (stale.length > 0) {
    return warning(
      check,
      `${stale.map(({ name }) => name).join(', ')} has sent no heartbeat for ${Math.round(Math.max(...stale.map(node => node.heartbeat_age_ms)) / 1_000)} s.`,
      'Look whether this process still runs and reaches the database.',
    )
  }
  return unwell.length > 0
    ? warning(
        check,
        `Not all nodes are normal: ${unwell.map(({ name, mode }) => `${name} is in ${mode}`).join(', ')}.`,
        'Look at the log of that node.',
      )
    : ok(
        check,
        nodes.length === 0
          ? 'The gateway is no node of a cluster.'
          : `${nodes.length === 1 ? 'The only node is' : `All ${nodes.length} nodes are`} normal.`,
      )
}

const AHEAD = 'sluice_database_clock_ahead_seconds'

/** How the clocks of the gateway and of its database differ, as the gateway measures it; nothing if it does not tell. */
export async function checkDatabaseClock(
  gateway: GatewayProbe,
  caller: Caller | undefined,
): Promise<Finding[]> {
  const check = 'gateway-database-clock'
  const answer = caller?.role === 'admin' ? await gateway.ask('/metrics') : undefined
  const lines = answer?.status === 200 ? answer.text.split('\n') : []
  // With labels or without: the value comes last.
  const ahead = lines
    .find(line => line.startsWith(AHEAD))
    ?.split(' ')
    .at(-1)
  return ahead === undefined
    ? [
        unknown(
          check,
          'The gateway shows the difference to the clock of its database only to admins (of OPERATOR_WORKSPACE).',
        ),
      ]
    : [judgeClock(check, 'The clock of the database', Number(ahead) * 1_000, "the gateway's")]
}
