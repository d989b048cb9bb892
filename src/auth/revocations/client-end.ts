/** An admin ends the stream of a client, whichever process holds it. The client may reconnect: its credentials stay valid. */
import { type Origin, recordAudit } from '../../audit/audit.js'
import type { Database } from '../../database/pool.js'
import { inWorkspace } from '../../database/workspace.js'
import { publishAccessChange } from './access-change.js'

export interface EndedClient {
  readonly connection: string
  /** The process that holds it (src/hub/connection-name.ts). */
  readonly node: string
  /** Null for a client of another node: only that node knows. */
  readonly principal: string | null
  readonly stream: string | null
}

/** The entry in the audit log and the message to all processes are one transaction. The caller wakes the processes. */
export async function endClient(database: Database, origin: Origin, client: EndedClient): Promise<void> {
  const { workspace } = origin
  const { connection } = client
  await inWorkspace(database, workspace, async tx => {
    await recordAudit(tx, { ...origin, action: 'client.ended', details: { ...client } })
    await publishAccessChange(tx, { change: 'client-ended', workspace, connection })
  })
}
