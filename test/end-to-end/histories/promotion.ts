/** Two servers with streaming replication at an address that moves. */
import type { Test } from 'tap'
import { type PostgresProxy, startProxy } from '../../harness/postgres-proxy.js'
import { type Pair, startPair } from '../../harness/replication.js'
import { execute } from '../../harness/server.js'
import { createStreams } from './crowd.js'

export interface Replicated extends Pair {
  /** The address of the primary for gateways and publishers. */
  readonly address: PostgresProxy
}

export async function startReplicated(t: Test): Promise<Replicated> {
  const pair = await startPair(t)
  await createStreams(pair.primary.url)
  return { ...pair, address: await startProxy(t, pair.primary.url) }
}

/** New connections lead to the standby, which is promoted; those of before stay where they are. */
export async function promote({ standby, address }: Replicated): Promise<void> {
  await execute(standby.url, 'select pg_promote()')
  address.databaseUrl = standby.url
}

/** Cuts what still leads to the old primary. */
export async function cutOff(address: PostgresProxy): Promise<void> {
  await address.unplug()
  await address.plugIn()
}
