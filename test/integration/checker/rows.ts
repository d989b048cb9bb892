/** Events that are put into the tables as they are, with ids that a test can name. */
import type { Database } from '../../../src/database/pool.js'

/** Of all events. */
export const AT = '2026-01-02T03:04:05.678Z'

interface Numbers {
  /** The position of the base. */
  readonly base?: number
  /** The number of the UUID of the first event. */
  readonly first?: number
}

export interface Row {
  readonly type?: string
  readonly data?: string
  readonly actor?: string
  readonly redacted?: string
}

/** By number, a UUID whose check is that number: `aaaaab` for 1. */
export function uuidOf(number: number): string {
  return `${(number * 4).toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
}

/** A stream with events after its base, whose UUID has the number of its position. */
export async function addStream(
  pool: Database,
  [workspace, name]: readonly [string, string],
  rows: readonly Row[],
  { base = 0, first = base + 1 }: Numbers = {},
): Promise<void> {
  const kind = name.startsWith('job:') ? 'job' : 'feed'
  const { rows: streams } = await pool.query<{ id: string }>(
    `insert into sluice.streams (workspace, name, kind, base_position, base_event_id) values ($1, $2, $3, $4, $5) returning id`,
    [workspace, name, kind, base, uuidOf(base)],
  )
  for (const [n, { type = 'note', data = '{}', actor, redacted }] of rows.entries())
    await pool.query(
      `insert into sluice.events (stream_id, "position", at, event_id, type, data, actor, redacted_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [streams[0]?.id, base + n + 1, AT, uuidOf(first + n), type, data, actor, redacted],
    )
}
