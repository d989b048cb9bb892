/** Gateways that deliver webhooks to this machine, with a short schedule, short time limits and short leases. */
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type GatewayProcess, startProcess } from '../../harness/process.js'

const program = fileURLToPath(new URL('./gateway-program.js', import.meta.url))

export async function startDeliveringGateway(
  t: Test,
  databaseUrl: string,
  port?: number,
): Promise<GatewayProcess> {
  return await startProcess(t, {
    program,
    databaseUrl,
    ...(port !== undefined && { port }),
    env: { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' },
  })
}
