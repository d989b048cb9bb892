/** What operators install: the metrics, the alerts and the dashboard, with the real Prometheus and two workers under load. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { createDatabase } from '../harness/database.js'
import { read } from '../harness/document.js'
import { openStream } from '../harness/event-stream.js'
import { as, publish } from '../harness/gateway.js'
import { freePort } from '../harness/port.js'
import { startProcess } from '../harness/process.js'
import { findPromtool, RULES, startPrometheus, withoutPrometheus } from '../harness/prometheus.js'
import { until } from '../harness/until.js'

const run = promisify(execFile)
const CLIENTS = 6
const ALL_CLIENTS = new RegExp(`^sluice_clients\\{kind="feed",form="sse"\\} ${CLIENTS}$`, 'm')

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** Of metrics that a gateway without such rows does not have. */
const EMPTY_AT_FIRST = /sluice_retention_removed_rows_total/

t.test('Prometheus reads the metrics of all workers', { skip: withoutPrometheus() }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  const port = await freePort()
  const gateway = await startProcess(t, { databaseUrl, env: { WORKERS: '2', METRICS_PORT: `${port}` } })
  const metrics = `http://127.0.0.1:${port}/metrics`
  const text = async () => (await fetch(metrics)).text()
  await until('both workers', async () => /^sluice_mode\{mode="normal"\} 2$/m.test(await text()))
  const streams = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      openStream(t, `${gateway.url}/api/events`, { headers: as('viewer') }),
    ),
  )
  for (const stream of streams) await stream.until(1)
  const prometheus = await startPrometheus(t, `127.0.0.1:${port}`)
  const loading = new AbortController()
  const load = (async () => {
    while (!loading.signal.aborted) await publish(gateway, { type: 'thing.made', data: {} })
  })()
  t.teardown(async () => {
    loading.abort()
    await load
  })

  await t.test('the metrics are well-formed, and the sums of both workers', async t => {
    const checking = execFile(findPromtool() ?? '', ['check', 'metrics'])
    checking.stdin?.end(await text())
    let complaints = ''
    checking.stderr?.on('data', chunk => (complaints += chunk))
    checking.stdout?.on('data', chunk => (complaints += chunk))
    await new Promise(resolve => checking.once('close', resolve))
    t.strictSame(
      complaints.split('\n').filter(line => line.includes('sluice_')),
      [],
    )
    const own = async () => (await fetch(`${gateway.url}/metrics`, { headers: as('admin') })).text()
    // A worker that is too busy to answer in time is left out.
    for (const each of [text, own])
      await until('the clients of both workers', async () => ALL_CLIENTS.test(await each()))
    t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
    t.equal((await fetch(metrics, { method: 'POST' })).status, 405)
  })

  await t.test(
    'the autoscaler of deploy/kubernetes gets the clients of a pod from all of its workers',
    async t => {
      const { rules } = parse(read('deploy/kubernetes/prometheus-adapter.yaml')) as {
        rules: { custom: [{ metricsQuery: string }] }
      }
      const query = rules.custom[0].metricsQuery
        .replace('<<.Series>>', 'sluice_clients')
        .replace('<<.LabelMatchers>>', 'job="sluice"')
        .replace('<<.GroupBy>>', 'instance')

      await until('the clients of the only instance', async () => {
        const { data } = await prometheus.get(`query?query=${encodeURIComponent(query)}`)
        const { result } = data as { result: { value: [time: number, count: string] }[] }
        return result.length === 1 && result[0]?.value[1] === `${CLIENTS}`
      })
      t.pass('as many as there are')
    },
  )

  await t.test('every panel of the dashboard has data', async t => {
    const { panels } = JSON.parse(read('deploy/grafana/sluice.json')) as { panels: Panel[] }
    const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    const missing = async () => {
      const found = await Promise.all(queries.map(async query => [query, await ask(query)] as const))
      return found
        .filter(([query, count]) => count === 0 && !EMPTY_AT_FIRST.test(query))
        .map(([query]) => query)
    }
    t.ok(queries.length > 30)
    let left: readonly string[] = []
    const isComplete = async () => {
      left = await missing()
      return left.length === 0
    }
    await until('data in every panel', isComplete).catch(() => undefined)
    t.strictSame(left, [])
  })

  await t.test('the alerts are valid, their expressions can be read, and none fires', async t => {
    await run(findPromtool() ?? '', ['check', 'rules', RULES])
    const { data } = await prometheus.get('rules')
    const { groups } = data as { groups: { rules: { name: string; health: string; state: string }[] }[] }
    const rules = groups.flatMap(group => group.rules)
    await until('all rules were evaluated', async () => {
      const { data } = await prometheus.get('rules')
      return !JSON.stringify(data).includes('"health":"unknown"')
    })
    t.ok(rules.length > 8)
    const after = (await prometheus.get('rules')).data as typeof data & { groups: typeof groups }
    t.strictSame(
      after.groups
        .flatMap(group => group.rules)
        .filter(({ health, state }) => health !== 'ok' || state === 'firing'),
      [],
    )
  })

  async function ask(query: string): Promise<number> {
    const given = query.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '10s')
    const { status, error, data } = await prometheus.get(`query?query=${encodeURIComponent(given)}`)
    if (status !== 'success') throw new Error(`${query}: ${error}`)
    return (data as { result: unknown[] }).result.length
  }
})
