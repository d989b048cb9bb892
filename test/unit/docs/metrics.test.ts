/** docs/metrics.md lists every metric, and each alert and panel uses metrics that exist and links to a section that exists. */
import t from 'tap'
import { INSTRUMENTS } from '../../../src/metrics/instruments.js'
import { read, rows, section } from '../../harness/document.js'

const alerts = read('deploy/prometheus/alerts.yml')
const dashboard = read('deploy/grafana/sluice.json')
/** prom-client's own, which the alerts and the dashboard use. */
const OTHERS = [
  'nodejs_eventloop_lag_p99_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
]

t.test('the table lists every metric as the code declares it', async t => {
  const declared = Object.values(INSTRUMENTS).map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map(label => `\`${label}\``).join(', '),
    help,
  ])

  const [first] = section(read('docs/metrics.md'), '## All metrics').split('| label | values |')
  t.strictSame(rows(first ?? ''), declared)
})

t.test('alerts and dashboard use metrics that exist', async t => {
  const known: ReadonlySet<string> = new Set([
    ...OTHERS,
    ...Object.values(INSTRUMENTS).flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  ])
  const used = [...`${alerts}\n${dashboard}`.matchAll(/\b(?:sluice|nodejs|process)_[a-z0-9_]+/g)].map(
    ([name]) => name,
  )

  t.ok(used.length > 40)
  t.strictSame(
    used.filter(name => !known.has(name)),
    [],
  )
})

t.test('each alert has its section in the operations page', async t => {
  const page = read('docs/operations.md')
  const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)
  const links = [...alerts.matchAll(/runbook_url: (\S+)/g)].map(([, link]) => link)

  t.ok(names.length > 8)
  t.strictSame(
    links,
    names.map(name => `docs/operations.md#${name.toLowerCase()}`),
  )
  t.strictSame(
    names.filter(name => !page.includes(`\n### ${name}\n`)),
    [],
  )
})
