/**
 * pg.native, the driver on libpq: Sluice works on none of its connections. It passes every parameter on as a text that ends at the first
 * zero, so a Buffer does not arrive, and it ignores how a query wants its values parsed, so positions would be texts.
 */
import type pg from 'pg'

/** @throws if the connections of the pool are those of pg.native. */
export function refuseNative(pool: pg.Pool): void {
  if (!isNative(pool)) return
  throw new Error(
    'Sluice does not work with pg.native, whose queries cannot choose the types of their values. Give a pool of plain pg (new pg.Pool), and unset NODE_PG_FORCE_NATIVE.',
  )
}

/** Only the queries of the driver in JavaScript parse rows by themselves. A client of another make counts as that driver's. */
function isNative(pool: pg.Pool): boolean {
  const { Client }: { Client?: { Query?: { prototype?: object } } } = Object(pool)
  const rows = Client?.Query?.prototype
  return rows !== undefined && !('handleRowDescription' in rows)
}
