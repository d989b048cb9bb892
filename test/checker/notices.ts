/** The names of messages that are no events of the log, as clients know them from docs/protocol.md. */
export const NOTICES: ReadonlySet<string> = new Set([
  'server.state',
  'heartbeat',
  'unavailable',
  'reset',
  'error',
  'cursor',
  'snapshot',
  'auth-expired',
  'auth-renewed',
  'auth-revoked',
])
