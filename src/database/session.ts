/**
 * The settings that our statements depend on. A role, a database or a server may have other values, so every connection sets
 * them: when it connects or, behind a pooler, in each transaction. The functions of the schema `sluice` carry the same settings
 * for other callers (sluice.pin_functions).
 *
 * Two settings are left to the operator: `default_transaction_read_only`, which closes a database to writers, and
 * `synchronous_commit`, unless it is `off`.
 */
import type pg from 'pg'

export const SETTINGS: Readonly<Record<string, string>> = {
  // The meaning of names and literals.
  search_path: 'pg_catalog, pg_temp',
  standard_conforming_strings: 'on',
  // If this were off, a null in an array that we send would arrive as the text NULL.
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',

  // The text form of values, which pg parses.
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',

  // Plans: index probes, however small a table was at planning. JIT would spend a second to compile each plan.
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

  // Results. Transactions are READ COMMITTED by default, and row-level security filters rows.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  row_security: 'on',
  exit_on_error: 'off',
  'plpgsql.extra_errors': 'none',
  client_min_messages: 'warning',

  // Timeouts. The pool ends idle connections itself.
  statement_timeout: '30s',
  lock_timeout: '0',
  // Longer than any of our requests takes; a gateway that has failed must not keep its locks forever.
  idle_in_transaction_session_timeout: '60s',
  idle_session_timeout: '0',
  transaction_timeout: '0',
}

/**
 * The statements that apply the settings to the session or to the open transaction. They skip settings that the server does
 * not know, such as transaction_timeout before PostgreSQL 17.
 * @param more settings in addition to SETTINGS, or overriding them.
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
    // Acknowledged is stored (I1). Values that wait for replicas, or only for the local disk, stay.
    `select pg_catalog.set_config('synchronous_commit', 'on', ${local}) ` +
    `where pg_catalog.current_setting('synchronous_commit') = 'off'`
  )
}

/** @throws {Error} with the remedy, if Sluice cannot use the database because of its encoding or settings. */
export async function requireUsable(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<Record<'database' | 'me' | 'encoding' | 'replication', string>>(
    `select current_database() as database, current_user as me, current_setting('server_encoding') as encoding,
            current_setting('session_replication_role') as replication`,
  )
  const [found] = rows
  if (!found) throw new Error('The database returned no row for a query about its settings.')
  const { database, me, encoding, replication } = found
  if (encoding !== 'UTF8') {
    throw new Error(
      `The database ${database} has the encoding ${encoding}, but Sluice needs UTF8. Create another database ` +
        `(create database … encoding 'UTF8' template template0) and set DATABASE_URL to it.`,
    )
  }
  if (replication === 'replica') {
    throw new Error(
      `session_replication_role is replica for the role ${me} in the database ${database}, which disables foreign keys ` +
        `and triggers. Reset it where it is set, for example as a superuser: alter role ${me} reset session_replication_role.`,
    )
  }
}
