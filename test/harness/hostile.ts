/**
 * Settings of a role or a database that would change what Sluice does if it did not pin its own. Every role may set each of
 * them, even one that is no superuser.
 */
export const HOSTILE: readonly string[] = [
  `search_path = 'public'`,
  `datestyle = 'German, DMY'`,
  `intervalstyle = 'sql_standard'`,
  `timezone = 'Asia/Kathmandu'`,
  `bytea_output = 'escape'`,
  'extra_float_digits = -15',
  `lc_monetary = 'C'`,
  `xmlbinary = 'hex'`,
  `client_encoding = 'LATIN1'`,
  'standard_conforming_strings = off',
  `backslash_quote = 'on'`,
  'transform_null_equals = on',
  'array_nulls = off',
  'quote_all_identifiers = on',
  `default_transaction_isolation = 'serializable'`,
  'default_transaction_deferrable = on',
  `statement_timeout = '50ms'`,
  `lock_timeout = '1ms'`,
  `idle_in_transaction_session_timeout = '1ms'`,
  `idle_session_timeout = '500ms'`,
  'row_security = off',
  'check_function_bodies = off',
  'jit = on',
  'jit_above_cost = 0',
  'enable_seqscan = on',
  'enable_indexscan = off',
  'enable_indexonlyscan = off',
  'enable_bitmapscan = off',
  'enable_nestloop = off',
  'enable_sort = off',
  `plan_cache_mode = 'force_custom_plan'`,
  'max_parallel_workers_per_gather = 4',
  'parallel_setup_cost = 0',
  'parallel_tuple_cost = 0',
  'min_parallel_table_scan_size = 0',
  'cursor_tuple_fraction = 1',
  'from_collapse_limit = 1',
  'join_collapse_limit = 1',
  'geqo_threshold = 2',
  `work_mem = '64kB'`,
  'exit_on_error = on',
  'synchronous_commit = off',
  `client_min_messages = 'debug1'`,
]

/** The statements that give a role all of them but those that end the sessions and statements of the tests themselves. */
export function hostileRole(role: string): string {
  const bearable = HOSTILE.filter(setting => !/timeout|exit_on_error|row_security/.test(setting))
  return bearable.map(setting => `alter role ${role} set ${setting};`).join('\n')
}
