/** Checks of other sessions: the queue of NOTIFY, old snapshots, prepared transactions, replication slots, connections. */
import type { DatabaseProbe } from './database-probe.js'
import { durationOf } from './duration.js'
import { type Finding, fault, ok, unknown, warning } from './finding.js'

/** Above this share gateways and sluice.publish send no NOTIFY. */
const CROWDED = 0.5
const NOTEWORTHY = 0.1
/** Such a transaction is never a backup, and keeps what it has locked. */
const LONG_IDLE_S = 3_600
const RETAINED_BYTES = 1024 ** 3

export async function checkNotifyQueue(probe: DatabaseProbe): Promise<Finding> {
  const { use, holder } = await probe.row<{ use: number; holder: string | null }>(`
    select pg_notification_queue_usage() as use,
           (select format('process %s (%s) in the database %s, idle in a transaction for %s s', a.pid,
                          coalesce(nullif(a.application_name, ''), a.usename), a.datname,
                          extract(epoch from clock_timestamp() - a.xact_start)::bigint)
              from pg_stat_activity a where a.state like 'idle in transaction%' order by a.xact_start limit 1) as holder`)
  return judgeNotifyQueue(use, holder)
}

/** @param use 0 to 1. @param holder the oldest session that idles in a transaction, in words. */
function judgeNotifyQueue(use: number, holder: string | null): Finding {
  const check = 'database-notify-queue'
  const text = `The queue of NOTIFY is ${(use * 100).toFixed(use < NOTEWORTHY ? 1 : 0)} % full`
  const remedy = `End the session that listens and idles in a transaction (select pg_terminate_backend(PID)). ${
    holder === null
      ? 'Doctor sees none: look into pg_stat_activity of all databases as a superuser.'
      : `The oldest one is ${holder}.`
  }`
  if (use > CROWDED)
    return fault(check, `${text}: gateways send no wakes, and events wait for a poll.`, remedy)
  return use > NOTEWORTHY ? warning(check, `${text}.`, remedy) : ok(check, `${text}.`)
}

export interface OldSession {
  readonly pid: number
  readonly who: string
  readonly state: string
  readonly seconds: number
}

/** @param oldS the age from which a transaction is reported, in seconds. */
export async function checkOldSnapshots(probe: DatabaseProbe, oldS: number): Promise<Finding[]> {
  const { sees } = await probe.row<{ sees: boolean }>(`
    select rolsuper or pg_has_role(oid, 'pg_read_all_stats', 'USAGE') as sees from pg_roles where rolname = current_user`)
  // A snapshot in another database keeps nothing of this one; that of a standby (walsender) does.
  const sessions = await probe.rows<OldSession>(
    `select a.pid, coalesce(nullif(a.application_name, ''), a.usename, a.backend_type)::text as who,
            coalesce(a.state, a.backend_type)::text as state,
            extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.backend_start))::float8 as seconds
       from pg_stat_activity a
      where a.pid <> pg_backend_pid() and a.xact_start < clock_timestamp() - make_interval(secs => $1)
        and (a.datname = current_database() or a.backend_type = 'walsender')
        and (a.backend_xmin is not null or a.backend_xid is not null or a.state like 'idle in transaction%')
      order by a.xact_start limit 5`,
    [oldS],
  )
  const finding = judgeOldSnapshots(sessions, oldS)
  if (sees) return [finding]
  const blind = unknown(
    'database-old-snapshots',
    'The transactions of other roles are hidden from this role.',
    'As a superuser: grant pg_read_all_stats to the role in DATABASE_URL; or run doctor as a superuser.',
  )
  return sessions.length > 0 ? [finding, blind] : [blind]
}

export function judgeOldSnapshots(sessions: readonly OldSession[], oldS: number): Finding {
  const check = 'database-old-snapshots'
  const [oldest] = sessions
  if (oldest === undefined) return ok(check, `No transaction is older than ${durationOf(oldS)}.`)
  const others =
    sessions.length > 1 ? ` ${sessions.length - 1} more ${sessions.length === 2 ? 'is' : 'are'} old.` : ''
  const text = `The transaction of process ${oldest.pid} (${oldest.who}, ${oldest.state}) has been open for ${durationOf(oldest.seconds)}: removed rows stay on disk, and its locks stay.${others}`
  const remedy = `Let it end, or end it: select pg_terminate_backend(${oldest.pid}). Set idle_in_transaction_session_timeout.`
  const isStuck = oldest.state.startsWith('idle in transaction') && oldest.seconds >= LONG_IDLE_S
  return isStuck ? fault(check, text, remedy) : warning(check, text, remedy)
}

export interface PreparedTransaction {
  readonly gid: string
  readonly seconds: number
}

export async function checkPrepared(probe: DatabaseProbe, oldS: number): Promise<Finding> {
  const prepared = await probe.rows<PreparedTransaction>(
    `select gid, extract(epoch from clock_timestamp() - prepared)::float8 as seconds from pg_prepared_xacts
      where database = current_database() order by prepared limit 5`,
  )
  return judgePrepared(prepared, oldS)
}

function judgePrepared([oldest, ...others]: readonly PreparedTransaction[], oldS: number): Finding {
  const check = 'database-prepared-transactions'
  if (oldest === undefined) return ok(check, 'No transaction is prepared and waits for its second phase.')
  const count = others.length === 0 ? '' : ` ${others.length} more wait.`
  const text = `The transaction '${oldest.gid}' was prepared ${durationOf(oldest.seconds)} ago and is not committed yet. The streams to which it publishes are locked (503 stream-busy).${count}`
  const remedy = `End it: commit prepared '${oldest.gid}' or rollback prepared '${oldest.gid}', as the application decided.`
  return oldest.seconds >= oldS
    ? fault(check, text, remedy)
    : warning(check, text, 'Run doctor again: it should be gone soon.')
}

export interface Slot {
  readonly name: string
  readonly active: boolean
  /** Whether it keeps removed rows of tables or of the catalogue. */
  readonly holdsXmin: boolean
  /** Bytes of WAL that the server keeps for it; null if unknown. */
  readonly retained: number | null
}

export async function checkSlots(probe: DatabaseProbe): Promise<Finding> {
  const slots = await probe.rows<Slot>(`
    select slot_name::text as name, active, xmin is not null or catalog_xmin is not null as "holdsXmin",
           case when pg_is_in_recovery() then null
                else pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 end as retained
      from pg_replication_slots where not temporary order by active, restart_lsn limit 100`)
  return judgeSlots(slots)
}

function judgeSlots(slots: readonly Slot[]): Finding {
  const check = 'database-replication-slots'
  const idle = slots.filter(({ active }) => !active)
  const [worst] = [...idle].sort(
    (a, b) => Number(b.holdsXmin) - Number(a.holdsXmin) || (b.retained ?? 0) - (a.retained ?? 0),
  )
  if (worst === undefined)
    return ok(
      check,
      slots.length === 0
        ? 'There are no replication slots.'
        : `All ${slots.length} replication slots are in use.`,
    )
  const kept = worst.retained === null ? 'WAL' : `${Math.ceil(worst.retained / 1024 ** 2)} MiB of WAL`
  const rows = worst.holdsXmin ? ' and removed rows' : ''
  const text = `Nobody reads the replication slot ${worst.name}, and the server keeps ${kept}${rows} for it until the disk is full.`
  const remedy = `Start its reader, or remove it: select pg_drop_replication_slot('${worst.name}').`
  const isSerious = worst.holdsXmin || (worst.retained ?? 0) >= RETAINED_BYTES
  return isSerious ? fault(check, text, remedy) : warning(check, text, remedy)
}

export interface ConnectionFacts {
  readonly used: number
  /** max_connections without those that are reserved for superusers. */
  readonly most: number
  /** The connections of this role; -1: no limit. */
  readonly ofRole: { readonly used: number; readonly most: number }
  readonly ofDatabase: { readonly used: number; readonly most: number }
}

export async function checkConnections(probe: DatabaseProbe, poolSize: number): Promise<Finding> {
  const row = await probe.row<
    Record<'used' | 'most' | 'roleUsed' | 'roleMost' | 'databaseUsed' | 'databaseMost', number>
  >(`
    select count(*)::int as used, count(*) filter (where a.usename = current_user)::int as "roleUsed",
           count(*) filter (where a.datname = current_database())::int as "databaseUsed",
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most,
           (select rolconnlimit from pg_roles where rolname = current_user) as "roleMost",
           (select datconnlimit from pg_database where datname = current_database()) as "databaseMost"
      from pg_stat_activity a where a.backend_type = 'client backend'`)
  const { used, most } = row
  const ofRole = { used: row.roleUsed, most: row.roleMost }
  return judgeConnections(
    { used, most, ofRole, ofDatabase: { used: row.databaseUsed, most: row.databaseMost } },
    poolSize,
  )
}

/** Connections of a gateway besides those of DATABASE_POOL. */
const BESIDE_POOL = 8

/** @param poolSize DATABASE_POOL. */
function judgeConnections({ used, most, ofRole, ofDatabase }: ConnectionFacts, poolSize: number): Finding {
  const check = 'database-connections'
  const limits = [
    { name: 'max_connections, without the reserved ones,', used, most, how: 'Raise max_connections' },
    { name: 'the limit of the role', ...ofRole, how: 'Raise the limit (alter role … connection limit …)' },
    {
      name: 'the limit of the database',
      ...ofDatabase,
      how: 'Raise the limit (alter database … connection limit …)',
    },
  ].filter(limit => limit.most >= 0)
  const [tightest] = limits.sort((a, b) => a.most - a.used - (b.most - b.used))
  if (tightest === undefined) return ok(check, `${used} connections are in use.`)
  const free = tightest.most - tightest.used
  const need = poolSize + BESIDE_POOL
  const text = `${tightest.used} of ${tightest.most} connections are in use (${tightest.name} ${tightest.name.endsWith(',') ? 'counts' : 'decides'})`
  const remedy = `${tightest.how}, lower DATABASE_POOL, or put a pooler in front.`
  if (free < BESIDE_POOL)
    return fault(check, `${text}: a gateway that loses a connection may get no other.`, remedy)
  return free < need
    ? warning(check, `${text}: another gateway, which takes up to ${need}, does not fit.`, remedy)
    : ok(check, `${text}. A gateway takes up to ${need}.`)
}
