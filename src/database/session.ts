/**
 * The settings that our statements depend on. A role, a database or a server may set each of them to something else, so
 * every connection sets them for itself: when it is made or, behind a pooler, in each transaction. The functions of the
 * schema `sluice` carry the same settings for their other callers (migrations/0002_function_settings.sql).
 *
 * Two settings are left to the operator: `default_transaction_read_only`, by which a database is closed to writers, and
 * `synchronous_commit`, unless it is `off`.
 */
import type pg from 'pg'

export const SETTINGS: Readonly<Record<string, string>> = {
  // What names and literals mean.
  search_path: 'pg_catalog, pg_temp',
  standard_conforming_strings: 'on',
  // Off, an array that we send with a null in it arrives with the text NULL.
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',

  // The text of values, which pg parses.
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',

  // Plans: index probes, however small a table was when they were made. JIT would compile each of them for a second.
  jit: 'off',
  plan_cache_mode: 'auto',
  enable_seqscan: 'off',
  enable_indexscan: 'on',
  enable_indexonlyscan: 'on',
  enable_bitmapscan: 'on',
  enable_nestloop: 'on',
  enable_sort: 'on',
  geqo: 'off',
  from_collapse_limit: '8',
  join_collapse_limit: '8',
  max_parallel_workers_per_gather: '0',

  // Outcomes. A transaction that says nothing else is READ COMMITTED, and row-level security filters.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  row_security: 'on',
  exit_on_error: 'off',
  'plpgsql.extra_errors': 'none',
  client_min_messages: 'warning',

  // Times. A pool ends idle connections by itself.
  statement_timeout: '30s',
  lock_timeout: '0',
  // Longer than any of our requests takes; a gateway that has failed must not keep its locks forever.
  idle_in_transaction_session_timeout: '60s',
  idle_session_timeout: '0',
  transaction_timeout: '0',
}

/**
 * The statements that set them, for the session or for the transaction that is open. A setting that the server does not
 * know is left out: PostgreSQL 17 has brought transaction_timeout.
 * @param more settings besides, or instead.
 */
export function pins(span: 'session' | 'transaction', more: Readonly<Record<string, string>> = {}): string {
  const settings: Readonly<Record<string, string>> = { ...SETTINGS, ...more }
  const rows = Object.entries(settings).map(([name, value]) => `('${name}','${value}')`)
  const local = span === 'transaction'
  const set = local ? 'set local' : 'set'
  return (
    // First the settings that could delay or cancel the statement that sets the others.
    `${set} jit = off; ${set} statement_timeout = '${settings.statement_timeout}'; ` +
    `select pg_catalog.set_config(s.name, s.value, ${local}) from (values ${rows}) s (name, value) ` +
    'where pg_catalog.current_setting(s.name, true) is not null union all ' +
    // Acknowledged is stored (I1): who waits for replicas, or for none, goes on to do so.
    `select pg_catalog.set_config('synchronous_commit', 'on', ${local}) ` +
    `where pg_catalog.current_setting('synchronous_commit') = 'off'`
  )
}

/** @throws when the database cannot be used with its encoding or its settings, with the remedy. */
export async function requireUsable(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<Record<'database' | 'me' | 'encoding' | 'replication', string>>(
    `select current_database() as database, current_user as me, current_setting('server_encoding') as encoding,
            current_setting('session_replication_role') as replication`,
  )
  const [found] = rows
  if (!found) throw new Error('The database does not answer questions about its settings.')
  const { database, me, encoding, replication } = found
  if (encoding !== 'UTF8') {
    throw new Error(
      `The database ${database} has the encoding ${encoding}, and Sluice needs UTF8. Make another one ` +
        `(create database … encoding 'UTF8' template template0), and name that in DATABASE_URL.`,
    )
  }
  if (replication === 'replica') {
    throw new Error(
      `session_replication_role is replica for the role ${me} in the database ${database}, which switches ` +
        `foreign keys and triggers off. As a superuser: alter role ${me} reset session_replication_role, or wherever it is set.`,
    )
  }
}
