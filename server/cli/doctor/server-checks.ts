/** Checks of the database server: its version, whether it is a primary, and the settings that would void a guarantee. */
import type { DatabaseProbe } from './database-probe.js'
import { type Finding, fault, ok, warning } from './finding.js'

const OLDEST_POSTGRES = 15
/** The newest major version that CI runs. */
const NEWEST_TESTED = 18

export interface ServerFacts {
  /** Such as 180004. */
  readonly version: number
  readonly versionName: string
  readonly encoding: string
  readonly inRecovery: boolean
  /** The value that a new session of this role in this database gets, by the name of the setting. */
  readonly settings: Readonly<Record<string, string>>
}

const SETTINGS = [
  ...['fsync', 'full_page_writes', 'autovacuum', 'synchronous_commit', 'wal_level'],
  ...['default_transaction_read_only', 'session_replication_role'],
]

export async function checkServer(probe: DatabaseProbe): Promise<Finding[]> {
  // `reset_val` is the value of a new session: the current ones are those that this connection has set.
  const facts = await probe.row<ServerFacts>(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as "versionName",
            current_setting('server_encoding') as encoding, pg_is_in_recovery() as "inRecovery",
            (select jsonb_object_agg(s.name, s.reset_val) from pg_settings s where s.name = any ($1)) as settings`,
    [SETTINGS],
  )
  return judgeServer(facts)
}

export function judgeServer(facts: ServerFacts): Finding[] {
  return [judgeVersion(facts), judgeRecovery(facts), judgeDurability(facts), ...judgeSettings(facts)]
}

function judgeVersion({ version, versionName }: ServerFacts): Finding {
  const check = 'database-version'
  const major = Math.floor(version / 10_000)
  const name = `PostgreSQL ${versionName}`
  if (major < OLDEST_POSTGRES) {
    return fault(
      check,
      `The server runs ${name}. Sluice needs ${OLDEST_POSTGRES} or later.`,
      'Upgrade the server.',
    )
  }
  return major > NEWEST_TESTED
    ? warning(
        check,
        `The server runs ${name}. This version of Sluice is tested with 15 to ${NEWEST_TESTED}.`,
        'Look for a newer Sluice.',
      )
    : ok(check, `The server runs ${name}.`)
}

function judgeRecovery({ inRecovery, settings }: ServerFacts): Finding {
  const check = 'database-primary'
  if (inRecovery) {
    return fault(
      check,
      'The server is a standby (in recovery), so nothing can be published and LISTEN does not work.',
      'Set DATABASE_URL to the primary, or promote this server.',
    )
  }
  if (settings.default_transaction_read_only === 'on') {
    return fault(
      check,
      'default_transaction_read_only is on for this role and database, so gateways refuse all changes.',
      'Reset it where it is set: alter database … reset default_transaction_read_only; or alter role … reset …; then wait two seconds.',
    )
  }
  return ok(check, 'The server is a primary and takes writes.')
}

function judgeDurability({ settings }: ServerFacts): Finding {
  const check = 'database-durability'
  if (settings.fsync === 'off') {
    return fault(
      check,
      'fsync is off: a crash of the machine loses acknowledged events, or damages the database.',
      'Set fsync = on in postgresql.conf and reload the server.',
    )
  }
  if (settings.full_page_writes === 'off') {
    return fault(
      check,
      'full_page_writes is off: a crash of the machine may damage the database, unless the file system never writes half a page.',
      'Set full_page_writes = on in postgresql.conf and reload the server.',
    )
  }
  if (settings.synchronous_commit === 'off') {
    return warning(
      check,
      'synchronous_commit is off by default. Gateways switch it on for themselves; an application that calls sluice.publish may lose its last transactions, with their events, in a crash.',
      'Set synchronous_commit = on, or switch it on in the transactions that publish.',
    )
  }
  return ok(
    check,
    `A commit is on disk before it is acknowledged (fsync on, synchronous_commit ${settings.synchronous_commit}, wal_level ${settings.wal_level}).`,
  )
}

function judgeSettings({ encoding, settings }: ServerFacts): Finding[] {
  const check = 'database-settings'
  const findings: Finding[] = []
  if (encoding !== 'UTF8') {
    findings.push(
      fault(
        check,
        `The database has the encoding ${encoding}. Sluice needs UTF8.`,
        `Create another one (create database … encoding 'UTF8' template template0) and set DATABASE_URL to it.`,
      ),
    )
  }
  if (settings.session_replication_role === 'replica') {
    findings.push(
      fault(
        check,
        'session_replication_role is replica for this role, which disables triggers and foreign keys.',
        'As a superuser: alter role … reset session_replication_role.',
      ),
    )
  }
  if (settings.autovacuum === 'off') {
    findings.push(
      warning(
        check,
        'autovacuum is off, so the space of removed events is never used again.',
        'Set autovacuum = on in postgresql.conf and reload the server.',
      ),
    )
  }
  return findings.length > 0
    ? findings
    : [ok(check, `The encoding is ${encoding}, autovacuum is on, and triggers are enabled.`)]
}
