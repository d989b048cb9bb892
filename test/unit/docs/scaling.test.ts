/** docs/scaling.md: the schema that it describes is the schema, and its figures are those that the simulation computes with. */
import t from 'tap'
import { FIGURES } from '../../../bench/simulation/figures.js'
import { read, rows, section } from '../../harness/document.js'

const page = read('docs/scaling.md')

t.test('the tables that distribute by stream_id are those whose keys all contain it', async t => {
  const schema = read('migrations/schema.sql')
  const keys = new Map<string, string[]>()
  const note = (table = '', columns = '') =>
    keys.set(table, [...(keys.get(table) ?? []), columns.replaceAll('"', '')])
  for (const [, table, body = ''] of schema.matchAll(
    /^create (?:unlogged )?table sluice\.(\w+) \((.*?)^\)/gims,
  )) {
    for (const [, columns] of body.matchAll(/(?:PRIMARY KEY|UNIQUE) \(([^)]*)\)/g)) note(table, columns)
  }
  for (const [, table, columns] of schema.matchAll(
    /^CREATE UNIQUE INDEX \w+ ON sluice\.(\w+) .*?\(([^)]*)\)/gm,
  )) {
    note(table, columns)
  }
  const byStream = [...keys].filter(([, all]) => all.every(columns => /\bstream_id\b/.test(columns)))
  const documented = rows(section(page, '## Several databases')).map(([table = '', columns = '']) => [
    table.replaceAll('`', ''),
    columns.replaceAll('`', ''),
  ])

  t.ok(keys.size > 20)
  t.strictSame(documented, byStream.map(([table, all]) => [table, all.join('; ')]).sort(byTable(documented)))
})

t.test('the page states the figures of the simulation', async t => {
  const { memory, opening, deliveryMs, heartbeatMs, pollMs, tailMs } = FIGURES
  const stated = [
    `${memory.gateway / 1e6} MB, ${Math.round(memory.client / 1e3)} KB`,
    `${opening.coldMs} ms at first, ${opening.warmMs} ms`,
    `${deliveryMs * 1e3} µs (2,000 clients)`,
    `${heartbeatMs * 1e3} µs each`,
    `${pollMs * 1e3} µs`,
    `${tailMs * 1e3} µs`,
  ]

  t.strictSame(
    stated.filter(text => !page.includes(text)),
    [],
  )
})

/** In the order of the page. */
function byTable(order: readonly (readonly string[])[]) {
  const place = ([table]: readonly string[]) => order.findIndex(([other]) => other === table)
  return (one: readonly string[], other: readonly string[]) => place(one) - place(other)
}
