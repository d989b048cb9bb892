/** Gateways that deliver webhooks to this machine, with a short schedule, short time limits and short leases. */
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type GatewayProcess, startProcess } from '../../harness/process.js'

const program = fileURLToPath(new URL('./gateway-program.js', import.meta.url))
/** More attempts than any event needs. */
const ATTEMPTS = 10_000

export const TIMES = {
  webhookPausesMs: Array.from({ length: ATTEMPTS }, (_, n) => Math.min(800, 100 * 2 ** n)),
  webhookLeaseMs: 3_000,
  webhookTimeoutMs: 1_000,
  webhookBreakerMs: 500,
}

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
