/** All turns that one workspace may have on a pool, held until the test frees them. */
import { gateOf } from '../../src/database/fair-gate.js'
import type { Database } from '../../src/database/pool.js'

export function holdTurns(database: Database, workspace = 'acme') {
  let free = () => {}
  const held = new Promise<void>(resolve => {
    free = resolve
  })
  const works = Array.from({ length: database.options.max }, () =>
    // Works beyond the limit of a workspace wait in line, and end with the others.
    gateOf(database).run(workspace, () => held),
  )
  return { free, works: Promise.all(works) }
}
