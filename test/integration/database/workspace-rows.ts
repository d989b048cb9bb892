/** Rows of a workspace in every table that has a workspace, and what is there of it. */
import type { Database } from '../../../src/database/pool.js'
import { Items } from '../../../src/items/items.js'
import { createJob } from '../../../src/jobs/rows.js'

/** One row in each table that has a workspace, or more. */
export async function seed(pool: Database, workspace: string): Promise<void> {
  const author = { workspace, id: 'somebody' }
  const items = new Items({ database: pool, onCommitted: () => undefined })
  await items.create(author, { part_number: 'A-1', description: 'a part', item_type: 'part' })
  const job = { kind: 'command', project: null, title: null, priority: 0, max_attempts: 1, timeout_ms: null }
  await createJob(pool, author, job, '{}', false)
  await pool.query(`
    insert into sluice.usage values ('${workspace}', 1, 0, 1, 2, now());
    insert into sluice.audit (workspace, action, details) values ('${workspace}', 'key.created', '{}');
    insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
        cursor_event_id, created_by)
      values (md5('${workspace}')::uuid, '${workspace}', 'pull', 'c', 'feed', 1, 30000, 256, 0, gen_random_uuid(), 'me');
    insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
        cursor_event_id, created_by)
      values (md5('w${workspace}')::uuid, '${workspace}', 'webhook', 'w', 'feed', 1, 30000, 10, 0, gen_random_uuid(), 'me');
    insert into sluice.webhooks (id, workspace, url, url_host, form, ordering, on_exhausted, state)
      values (md5('w${workspace}')::uuid, '${workspace}', 'https://${workspace}.example/', 'e', 'standard', 'ordered', 'pause', 'active');
    insert into sluice.webhook_secrets (webhook_id, id, workspace, kind, key_id, sealed)
      values (md5('w${workspace}')::uuid, 's', '${workspace}', 'signing', 'k', sha256('${workspace}'));
    insert into sluice.webhook_attempts (webhook_id, id, workspace, event_id, type, attempt, at, lane, outcome)
      values (md5('w${workspace}')::uuid, gen_random_uuid(), '${workspace}', gen_random_uuid(), 't', 1, now(), 'live', 'failed');
    insert into sluice.webhook_waiting (webhook_id, lane, "position", workspace, event_id)
      values (md5('w${workspace}')::uuid, 'live', 1, '${workspace}', gen_random_uuid());
    insert into sluice.webhook_dead_letters (webhook_id, "position", workspace, event_id, type, attempts)
      values (md5('w${workspace}')::uuid, 1, '${workspace}', gen_random_uuid(), 't', 11);
    insert into sluice.webhook_replays (webhook_id, workspace, id, from_position, from_event_id, to_position, to_event_id,
        at_position, at_event_id, created_by)
      values (md5('w${workspace}')::uuid, '${workspace}', gen_random_uuid(), 0, gen_random_uuid(), 1, gen_random_uuid(), 0,
        gen_random_uuid(), 'me');
    insert into sluice.durable_streams (workspace, name, content_type, deleted_at)
      values ('${workspace}', 'gone', 'text/plain', now());
    insert into sluice.durable_subscriptions (workspace, id, type, config_hash, url, url_host, base_url, lease_ttl_ms, created_by)
      values ('${workspace}', 's', 'webhook', 'h', 'https://${workspace}.example/', 'e', 'https://x', 30000, 'me');
    insert into sluice.durable_subscription_streams (uid, path, workspace, globbed, explicit)
      select d.uid, 'feed', d.workspace, false, true from sluice.durable_subscriptions d where d.workspace = '${workspace}';
    insert into sluice.workspaces values ('${workspace}', '{}');
    insert into sluice.deleted_streams (stream_id, workspace) values (hashtext('${workspace}'), '${workspace}');
    insert into sluice.projects (workspace, id, members, created_by) values ('${workspace}', 'p', '{}', 'me');
    insert into sluice.revocations (workspace, subject, by) values ('${workspace}', 'somebody', 'me');
    insert into sluice.api_keys (id, workspace, name, role, secret_hash, created_by)
      values (left(md5('${workspace}'), 12), '${workspace}', 'k', 'viewer', sha256('${workspace}'), 'me');
    insert into sluice.stream_tickets
      (hash, workspace, principal, role, credential_kind, issued_at, expires_at, path, good_until)
      values (sha256('${workspace}'), '${workspace}', 'p', 'viewer', 'token', 0, 1, '/', now());
    insert into sluice.idempotency_keys (workspace, actor, key, fingerprint, created_at)
      values ('${workspace}', 'a', 'k', 'f', now())`)
}

/** From the catalogue: a new table needs a policy, and a row in `seed`. What is pending is gone with each COMMIT. */
export async function tablesOf(pool: Database): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace'
     where c.relnamespace = 'sluice'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'pending'`)
  return rows.map(({ name }) => name)
}

/** What the system sees of a workspace: a text of its rows for each table, 0 where there are none. */
export async function rowsOf(pool: Database, tables: readonly string[], workspace: string) {
  const found: Record<string, string | 0> = {}
  for (const table of tables) {
    const { rows } = await pool.query(`select x::text from sluice.${table} x where workspace = $1`, [
      workspace,
    ])
    found[table] = rows.length && rows.map(({ x }) => x).join('\n')
  }
  return found
}
