/** The overview: how much the gateway does, and how fast, in the last hour. It needs no Prometheus. */
import { useMemo } from 'preact/hooks'
import { Failure } from '../../pieces/failure.tsx'
import { Loading } from '../../pieces/loading.tsx'
import { Moment } from '../../pieces/moment.tsx'
import { PageHeading } from '../../pieces/page-heading.tsx'
import { Chart } from './chart.tsx'
import { type Lines, linesOf, type Recent } from './recent.ts'
import { useRecent } from './use-recent.ts'
import './overview.css'

/** The number of samples in a row of the table. */
const ROW_SAMPLES = 12

export default function OverviewPage() {
  const { recent, failure, retryAt } = useRecent()
  const newest = recent?.samples.at(-1)?.at
  return (
    <section>
      <PageHeading title="Overview">
        <p class="hint">
          All workspaces, the last hour{newest !== undefined && ', until '}
          {newest !== undefined && <Moment at={new Date(newest).toISOString()} />}
        </p>
      </PageHeading>
      {failure && <Failure failure={failure} retryAt={retryAt} />}
      {recent ? <LastHour recent={recent} /> : !failure && <Loading what="the last hour" />}
    </section>
  )
}

function LastHour({ recent }: { recent: Recent }) {
  const lines = useMemo(() => linesOf(recent), [recent])
  const { times, published, delivered, clients, p50, p99 } = lines
  const series = useMemo(
    () => ({
      published: [{ label: 'Events', colour: 'accent', values: published }],
      delivered: [{ label: 'Deliveries', colour: 'blue', values: delivered }],
      clients: [{ label: 'Clients', colour: 'green', values: clients }],
      latency: [
        { label: 'p99', colour: 'amber', values: p99 },
        { label: 'p50', colour: 'violet', values: p50 },
      ],
    }),
    [lines],
  )
  if (recent.samples.length === 0) {
    return <p class="hint">The gateway has just started. The first figures are here in a few seconds.</p>
  }
  return (
    <>
      <dl class="figures">
        <Figure name="Events" value={perSecond(published.at(-1) ?? 0)} />
        <Figure name="Deliveries" value={perSecond(delivered.at(-1) ?? 0)} />
        <Figure name="Clients" value={whole(clients.at(-1) ?? 0)} />
        <Figure
          name="Commit to delivery"
          value={`${duration(p50.at(-1) ?? null)} / ${duration(p99.at(-1) ?? null)}`}
          hint="p50 / p99 of the last minute"
        />
      </dl>
      <div class="charts">
        <Chart title="Events published" times={times} series={series.published} format={perSecond} />
        <Chart title="Deliveries" times={times} series={series.delivered} format={perSecond} />
        <Chart title="Clients" times={times} series={series.clients} format={whole} isWhole />
        <Chart title="Commit to delivery" times={times} series={series.latency} format={duration} />
      </div>
      <details class="card as-table">
        <summary>The last hour as a table</summary>
        <div class="scroll">
          <Figures lines={lines} />
        </div>
      </details>
    </>
  )
}

function Figure({ name, value, hint }: { name: string; value: string; hint?: string }) {
  return (
    <div class="card">
      <dt>{name}</dt>
      <dd>{value}</dd>
      {hint && <dd class="hint">{hint}</dd>}
    </div>
  )
}

/** Newest first, a row a minute. */
function Figures({ lines }: { lines: Lines }) {
  const { times, published, delivered, clients, p50, p99 } = lines
  const rows = times
    .flatMap((_, index) => ((times.length - 1 - index) % ROW_SAMPLES === 0 ? [index] : []))
    .reverse()
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col" class="number">
            Events
          </th>
          <th scope="col" class="number">
            Deliveries
          </th>
          <th scope="col" class="number">
            Clients
          </th>
          <th scope="col" class="number">
            p50
          </th>
          <th scope="col" class="number">
            p99
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(index => (
          <tr key={times[index]}>
            <td>
              <Moment at={new Date((times[index] ?? 0) * 1_000).toISOString()} />
            </td>
            <td class="number">{perSecond(published[index] ?? 0)}</td>
            <td class="number">{perSecond(delivered[index] ?? 0)}</td>
            <td class="number">{whole(clients[index] ?? 0)}</td>
            <td class="number">{duration(p50[index] ?? null)}</td>
            <td class="number">{duration(p99[index] ?? null)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function perSecond(value: number): string {
  return `${value >= 100 ? whole(value) : Number(value.toFixed(1))}/s`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** The text for a number of milliseconds, with three digits at most. */
function duration(ms: number | null): string {
  if (ms === null) return '–'
  return ms < 1_000
    ? `${Number(ms.toPrecision(ms < 100 ? 2 : 3))} ms`
    : `${Number((ms / 1_000).toPrecision(2))} s`
}
