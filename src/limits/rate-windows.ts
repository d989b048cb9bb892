/** Where the processes tell each other what they have counted: the table sluice.rate_windows. */
import type { Database } from '../database/pool.js'
import type { Exchange } from './shared-limit.js'

/** Nobody waits for the answer, but the next exchange does. */
const DEADLINE_MS = 5_000

interface Row {
  readonly at_ms: number
  readonly current_totals: readonly number[]
  readonly previous_totals: readonly number[]
}

/** Adds what one process has counted, and reads what all have. */
export function exchangeBy(database: Database, windowMs: number): Exchange {
  return async counts => {
    const statement = {
      name: 'sluice-exchange-rates',
      text: 'select at_ms, current_totals, previous_totals from sluice.exchange_rates($1, $2, $3, $4)',
      values: [
        windowMs,
        counts.map(({ key }) => key),
        counts.map(({ current }) => current),
        counts.map(({ previous }) => previous),
      ],
      query_timeout: DEADLINE_MS,
    }
    const { rows } = await database.query<Row>(statement)
    const [row] = rows
    if (!row) throw new Error('sluice.exchange_rates has not answered.')
    const { at_ms: atMs, current_totals: current, previous_totals: previous } = row
    return { atMs, totals: current.map((total, at) => ({ current: total, previous: previous[at] ?? 0 })) }
  }
}
