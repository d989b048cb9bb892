/** The sweeps of webhooks: old attempts, dead letters whose events are gone, and secrets that a former key has sealed. */
import type { Database } from '../database/pool.js'
import { inBatches, SWEEP_BATCH, type Sweep } from '../database/sweep.js'
import { open, type SealedSecret, seal } from './sealed-secrets.js'
import type { Sealer } from './sealer.js'
import type { WebhookId } from './webhook.js'

/**
 * The attempts that are kept of one webhook. At 1,000 deliveries a second these are the last two minutes; of most
 * webhooks they are all.
 */
const MAX_ATTEMPTS = 100_000
const SECRETS_AT_ONCE = 100
const DAY_S = 86_400

type Swept = Readonly<{ after: string | null; removed: number }>

/** @param days for which attempts are kept; 0: as long as they are not too many. */
export function attemptSweep(database: Database, days: number, most = MAX_ATTEMPTS): Sweep {
  const keep = days > 0 ? `${Math.round(days * DAY_S)} s` : null
  return removing('attempts of webhooks', database, {
    name: 'sluice-remove-attempts',
    text: 'select after, removed from sluice.remove_webhook_attempts($2, $3, $4, $1)',
    values: [keep, most, SWEEP_BATCH],
  })
}

export function deadLetterSweep(database: Database): Sweep {
  return removing('dead letters', database, {
    name: 'sluice-remove-dead-letters',
    text: 'select after, removed from sluice.remove_lost_dead_letters($2, $1)',
    values: [SWEEP_BATCH],
  })
}

/** Seals with the first key every secret that another key has sealed. After the sweep an operator can remove the other key. */
export function secretSweep(database: Database, sealer: Sealer): Sweep {
  return {
    name: 'secrets of webhooks under a former key',
    async run(signal) {
      // Secrets that no key opens stay as they are.
      let after: readonly [string, string] = ['00000000-0000-0000-0000-000000000000', '']
      return await inBatches(async () => {
        const rows = await selectFormer(database, sealer.keyId, after)
        let resealed = 0
        for (const { webhook, ...row } of rows) {
          const text = open(sealer, webhook, row)
          if (text !== undefined && (await reseal(database, sealer, webhook, row, text))) resealed += 1
          after = [webhook, row.id]
        }
        return { removed: resealed, more: rows.length === SECRETS_AT_ONCE }
      }, signal)
    },
  }
}

function removing(
  name: string,
  database: Database,
  statement: { readonly name: string; readonly text: string; readonly values: readonly unknown[] },
): Sweep {
  return {
    name,
    async run(signal) {
      let after: string | null = null
      return await inBatches(async () => {
        const { rows } = await database.query<Swept>({ ...statement, values: [after, ...statement.values] })
        after = rows[0]?.after ?? null
        return { removed: rows[0]?.removed ?? 0, more: after !== null }
      }, signal)
    },
  }
}

async function selectFormer(
  database: Database,
  keyId: string,
  [webhook, id]: readonly [string, string],
): Promise<(SealedSecret & { readonly webhook: WebhookId })[]> {
  const { rows } = await database.query<SealedSecret & { webhook: WebhookId }>({
    name: 'sluice-former-secrets',
    text: `
      select s.webhook_id as webhook, s.id, s.key_id as "keyId", s.sealed
        from sluice.webhook_secrets s
       where s.key_id <> $1 and s.webhook_id >= $2 and (s.webhook_id > $2 or s.id > $3)
       order by s.webhook_id, s.id limit ${SECRETS_AT_ONCE}`,
    values: [keyId, webhook, id],
  })
  return rows
}

async function reseal(
  database: Database,
  sealer: Sealer,
  webhook: WebhookId,
  { id, sealed: before }: SealedSecret,
  text: string,
): Promise<boolean> {
  const { keyId, bytes } = seal(sealer, webhook, id, text)
  const { rows } = await database.query<{ resealed: boolean }>({
    name: 'sluice-reseal-secret',
    text: 'select sluice.reseal_webhook_secret($1, $2, $3, $4, $5) as resealed',
    values: [webhook, id, before, keyId, bytes],
  })
  return rows[0]?.resealed ?? false
}
