/** The table sluice.rate_windows, in which the processes exchange their counts. */
import type { Database } from '../database/pool.js'
import type { Exchange } from './shared-limit.js'

/** No request waits for the response, but the next exchange does. */
const DEADLINE_MS = 5_000

interface Row {
  readonly at_ms: number
  readonly current_totals: readonly number[]
  readonly previous_totals: readonly number[]
}

/** Adds the counts of one process, and reads the counts of all. */
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
