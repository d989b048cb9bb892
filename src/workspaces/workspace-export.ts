/**
 * Everything that a workspace has stored, as lines of JSON: a header, the rows of each kind, and a line that says how many there
 * were, without which an export is incomplete. All of it is one snapshot: one transaction reads it, in pages from cursors, so
 * each statement is short and memory holds one page. Secrets are left out: hashes of keys, tickets, idempotency keys.
 */
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import type { Position } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'

/** The version of the form of the lines. */
const VERSION = 1
/** Rows that one statement reads. The largest ones are events of 272 KiB, so a page is at most 9 MB. */
const PAGE = 32

/** Takes lines of JSON, each with its line feed. The next page is read when the promise is fulfilled. */
export type WriteLines = (lines: string) => Promise<void>

interface Row {
  readonly line: string
  readonly position?: Position
  readonly eventId?: string
}

interface Part {
  readonly kind: string
  /** The rows of the workspace $1 in their order. */
  readonly rows: string
  /** A further member: the event id that clients know, of the position and the UUID in these columns. */
  readonly id?: { readonly member: string; readonly position: string; readonly eventId: string }
}

const PARTS: readonly Part[] = [
  {
    kind: 'item',
    rows: `select i.part_number, i.description, i.item_type, i.properties, i.revision, i.version, i.created_at, i.updated_at
             from sluice.items i where i.workspace = $1 order by i.part_number`,
  },
  {
    kind: 'revision',
    rows: `select r.part_number, r.revision_number, r.comment, r.properties, r.actor, r.at
             from sluice.item_revisions r where r.workspace = $1 order by r.part_number, r.revision_number`,
  },
  {
    kind: 'project',
    rows: `select p.id, p.members, p.executor, p.image, p.allowed_commands, p.allowed_env, p.created_by, p.created_at, p.updated_at
             from sluice.projects p where p.workspace = $1 order by p.id`,
  },
  {
    kind: 'job',
    rows: `select j.name as id, 'job:' || j.name as stream, j.kind as job_kind, j.project, j.title, j.payload, j.priority, j.status,
                  j.result, j.attempt, j.max_attempts, j.timeout_ms, j.runner, j.created_by, j.created_at, j.started_at, j.ended_at
             from sluice.jobs j where j.workspace = $1 order by j.name`,
  },
  {
    kind: 'stream',
    id: { member: 'base', position: 'base_position', eventId: 'base_event_id' },
    rows: `select s.name, s.kind as stream_kind, s.created_at, s.closed_at, s.options, s.base_position, s.base_event_id, s.base_at
             from sluice.streams s where s.workspace = $1 order by s.name`,
  },
  {
    kind: 'durable-stream',
    rows: `select d.name as stream, d.content_type, d.ttl, d.expires, d.expires_at, d.forked_from, d.fork_offset, d.fork_sub_offset,
                  d.deleted_at
             from sluice.durable_streams d where d.workspace = $1 order by d.name`,
  },
  {
    kind: 'event',
    id: { member: 'id', position: 'position', eventId: 'event_id' },
    // The order within a stream is that of the lateral query: sorting the whole log would take long and much space.
    rows: `select s.name as stream, e."position", e.event_id, e.type, e.data, e.attributes, e.at, e.actor, e.way, e.traceparent,
             e.redacted_at
             from (select s.id, s.name from sluice.streams s where s.workspace = $1 order by s.name) s
            cross join lateral (
                    select e.* from sluice.events e where e.stream_id = s.id order by e."position") e`,
  },
  {
    kind: 'consumer',
    id: { member: 'cursor', position: 'cursor_position', eventId: 'cursor_event_id' },
    rows: `select c.name, c.stream, c.types, c.condition as "where", c.description, c.ack_timeout_ms, c.max_in_flight,
                  c.cursor_position, c.cursor_event_id, c.last_ack_at, c.created_at, c.created_by
             from sluice.consumers c where c.workspace = $1 and c.kind = 'pull' order by c.name`,
  },
  {
    kind: 'webhook',
    id: { member: 'cursor', position: 'cursor_position', eventId: 'cursor_event_id' },
    rows: `select w.id, w.url, c.stream, c.types, c.condition as "where", c.description, w.form, w.ordering as "order",
                  c.max_in_flight, w.on_exhausted, w.header_names, w.state, w.state_reason, w.state_at, c.cursor_position,
                  c.cursor_event_id, w.last_success_at, w.created_at, c.created_by, w.updated_at
             from sluice.webhooks w join sluice.consumers c on c.id = w.id where w.workspace = $1 order by w.created_at, w.id`,
  },
  {
    kind: 'webhook-attempt',
    // The order of all attempts of a workspace would take a sort of them.
    rows: `select a.webhook_id, a.id, a."position", a.event_id, a.type, a.attempt, a.at, a.lane, a.outcome, a.status, a.milliseconds,
                  a.error, a.answer, a.next_try_at
             from (select w.id from sluice.webhooks w where w.workspace = $1 order by w.created_at, w.id) w
            cross join lateral (
                    select a.* from sluice.webhook_attempts a where a.webhook_id = w.id order by a.id) a`,
  },
  {
    kind: 'dead-letter',
    rows: `select d.webhook_id, d."position", d.event_id, d.type, d.at, d.attempts, d.status, d.error
             from sluice.webhook_dead_letters d where d.workspace = $1 order by d.webhook_id, d."position"`,
  },
  {
    kind: 'subscription',
    rows: `select d.id, d.type, d.pattern, d.url, d.wake_stream, d.lease_ttl_ms, d.description, d.generation, d.created_at, d.created_by
             from sluice.durable_subscriptions d where d.workspace = $1 order by d.id`,
  },
  {
    kind: 'subscription-stream',
    rows: `select d.id as subscription, l.path, l.globbed, l.explicit, l.acked
             from (select d.uid, d.id from sluice.durable_subscriptions d where d.workspace = $1 order by d.id) d
            cross join lateral (
                    select l.* from sluice.durable_subscription_streams l where l.uid = d.uid order by l.path) l`,
  },
  {
    kind: 'key',
    rows: `select k.id, k.name, k.role, k.prefix, k.allowed_ips, k.grants, k.created_at, k.created_by, k.expires_at, k.last_used_at,
                  k.replaced_by, k.revoked_at, k.revoked_by
             from sluice.api_keys k where k.workspace = $1 order by k.created_at, k.id`,
  },
  {
    kind: 'revocation',
    rows: `select r.id, r.subject, r.token_id, r.at, r.by, r.reason, r.expires_at
             from sluice.revocations r where r.workspace = $1 order by r.at, r.id`,
  },
  {
    kind: 'audit',
    rows: `select a.id, a.at, a.action, a.principal, a.address, a.request_id, a.details
             from sluice.audit a where a.workspace = $1 order by a.at, a.id`,
  },
]

/** @returns the number of lines. @throws what `write` throws, and the faults of the database: the lines end early then. */
export function exportWorkspace(database: Database, within: Reach, write: WriteLines): Promise<number> {
  const { workspace } = within
  return inWorkspace(
    database,
    within,
    async client => {
      await write(await headerOf(client, workspace))
      let lines = 1
      for (const part of PARTS) lines += await writePart(client, workspace, part, write)
      await write(`${JSON.stringify({ kind: 'end', lines: lines + 1 })}\n`)
      return lines + 1
    },
    'repeatable read, read only',
  )
}

async function headerOf(client: WorkspaceClient, workspace: string): Promise<string> {
  const { rows } = await client.query<{ line: string }>(
    `select row_to_json(x)::text as line
       from (select 'workspace' as kind, ${VERSION} as version, $1::text as workspace, now() as at,
                    (select w.options from sluice.workspaces w where w.workspace = $1) as options) x`,
    [workspace],
  )
  return `${rows[0]?.line}\n`
}

async function writePart(
  client: WorkspaceClient,
  workspace: string,
  { kind, rows: sql, id }: Part,
  write: WriteLines,
): Promise<number> {
  const place = id === undefined ? '' : `, x.${id.position} as "position", x.${id.eventId} as "eventId"`
  await client.query(
    `declare part no scroll cursor for select row_to_json(x)::text as line${place} from (${sql}) x`,
    [workspace],
  )
  let lines = 0
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${PAGE} from part`)
    if (rows.length > 0) await write(rows.map(row => lineOf(kind, row, id?.member)).join(''))
    lines += rows.length
    if (rows.length < PAGE) break
  }
  await client.query('close part')
  return lines
}

/** JSON has line feeds between values only: in a text they are escaped. */
function lineOf(kind: string, { line, position, eventId }: Row, member = 'id'): string {
  const id = position === undefined || eventId === undefined ? '' : formatEventId(position, eventId)
  const first = { kind, ...(id !== '' && { [member]: id }) }
  return `${JSON.stringify(first).slice(0, -1)},${line.slice(1).replace(/[\r\n]+/g, ' ')}\n`
}
