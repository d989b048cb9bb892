/** Everything that a run breaks: three gateways behind the real nginx, on a primary with a standby, with a network between all of them. */

import { Databases } from './databases.js'
import { FaultyProxy } from './faulty-proxy.js'
import { ChaosGateway } from './gateways.js'
import { LONG_READ_TIMEOUTS_S, NginxProcess } from './nginx-process.js'
import type { Scope } from './scope.js'

const GATEWAYS = ['gateway-1', 'gateway-2', 'gateway-3']
const LIMITS = {
  MAX_STREAMS_PER_PRINCIPAL: '0',
  MAX_STREAMS_PER_ADDRESS: '0',
  MAX_STREAMS_PER_WORKSPACE: '0',
  // The receivers of webhooks are on the loopback.
  WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  // The end of a gateway is shorter than in production, and still takes its time.
  DRAIN_MS: '1000',
}

export interface World {
  readonly databases: Databases
  readonly gateways: readonly ChaosGateway[]
  readonly nginx: NginxProcess
  /** Between publishers that use SQL and Postgres. */
  readonly publishers: FaultyProxy
  /** For publishers, through their proxy. */
  readonly publishersUrl: string
}

export interface WorldOptions {
  readonly heartbeatMs: number
  /** Whether nginx waits as long as shipped, because faults do not last as long as any other time-out. */
  readonly isBrief: boolean
}

/** Resolves when all of it runs. It ends with the scope. */
export async function startWorld(scope: Scope, { heartbeatMs, isBrief }: WorldOptions): Promise<World> {
  const databases = await Databases.start(scope)
  const publishers = await FaultyProxy.start(scope, databases.port)
  databases.lead(publishers)
  const env = { ...LIMITS, HEARTBEAT_MS: `${heartbeatMs}` }
  const gateways: ChaosGateway[] = []
  for (const name of GATEWAYS) {
    const gateway = await ChaosGateway.prepare(scope, {
      name,
      databasePort: databases.port,
      databaseUrl: urlAt,
      env,
    })
    databases.lead(gateway.database)
    gateways.push(gateway)
  }
  await Promise.all(gateways.map(gateway => gateway.start()))
  const nginx = await NginxProcess.start(
    scope,
    gateways.map(({ upstream }) => upstream.port),
    isBrief ? undefined : LONG_READ_TIMEOUTS_S,
  )
  return { databases, gateways, nginx, publishers, publishersUrl: urlAt(publishers.port) }
}

function urlAt(port: number): string {
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}
