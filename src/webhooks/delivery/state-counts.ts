/** How many webhooks there are in each state, for the metrics. */
import type { Database } from '../../database/pool.js'
import type { State } from '../webhook.js'

export type StateCounts = Readonly<Record<State, number>>

export async function countByState(database: Database): Promise<StateCounts> {
  const { rows } = await database.query<{ state: State; count: number }>({
    name: 'sluice-count-webhooks',
    text: 'select state, count(*)::integer as count from sluice.webhooks group by state',
  })
  const counts = new Map(rows.map(({ state, count }) => [state, count]))
  const of = (state: State) => counts.get(state) ?? 0
  return { active: of('active'), paused: of('paused'), disabled: of('disabled') }
}
