/** Whether a request with an Idempotency-Key was stored, so that the same request again stores nothing. */
import type { Database } from '../database/pool.js'

/** @param actor the principal that the key belongs to. */
export async function isKeyStored(
  database: Database,
  workspace: string,
  actor: string,
  key: string | undefined,
): Promise<boolean> {
  if (key === undefined) return false
  const { rows } = await database.query<{ stored: boolean }>({
    name: 'sluice-is-key-stored',
    text: `
      select exists (
               select from sluice.idempotency_keys k
                where k.workspace = $1 and k.actor = $2 and k.key = $3 and k.event_ids is not null) as stored`,
    values: [workspace, actor, key],
  })
  return rows[0]?.stored ?? false
}
