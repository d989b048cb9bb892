/**
 * A metric whose values are read when Prometheus asks, from what the rooms count as plain numbers. prom-client formats it, and
 * adds up those of several workers.
 */
import { BUCKETS, type Distribution } from './distribution.js'
import type { Instrument } from './instruments.js'

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels?: Labels
  readonly value: number | Distribution
}

interface Value {
  readonly metricName?: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

/** The form in which prom-client takes a metric. */
export interface MetricDocument {
  readonly name: string
  readonly help: string
  readonly type: Instrument['type']
  readonly aggregator: Instrument['workers']
  readonly values: readonly Value[]
}

export function documentOf(
  { name, help, type, workers }: Instrument,
  samples: readonly Sample[],
): MetricDocument {
  const values = samples.flatMap(({ labels = {}, value }) =>
    typeof value === 'number' ? [{ labels: { ...labels }, value }] : bucketsOf(name, labels, value),
  )
  return { name, help, type, aggregator: workers, values }
}

function bucketsOf(name: string, labels: Labels, distribution: Distribution): Value[] {
  const counts = distribution.cumulative()
  const buckets = counts.map((value, at) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: BUCKETS[at] ?? '+Inf' },
    value,
  }))
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: { ...labels }, value: distribution.sum },
    { metricName: `${name}_count`, labels: { ...labels }, value: counts.at(-1) ?? 0 },
  ]
}
