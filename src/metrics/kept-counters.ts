/**
 * Counters and histograms of processes that have ended: without them the sum over the processes would fall when one ends, which
 * Prometheus takes for a restart of all. What a process counted after its last report is lost.
 */
import type { MetricDocument } from './sampled-metric.js'

type Value = MetricDocument['values'][number]

export class KeptCounters {
  readonly #sums = new Map<
    string,
    { readonly document: MetricDocument; readonly values: Map<string, Value> }
  >()

  /** @param report the last one of a process. */
  add(report: readonly MetricDocument[]): void {
    for (const document of countersIn(report)) {
      const sum = this.#sums.get(document.name) ?? { document, values: new Map<string, Value>() }
      this.#sums.set(document.name, sum)
      for (const value of document.values) {
        const key = JSON.stringify([value.metricName, Object.entries(value.labels).sort()])
        sum.values.set(key, { ...value, value: value.value + (sum.values.get(key)?.value ?? 0) })
      }
    }
  }

  get documents(): MetricDocument[] {
    return [...this.#sums.values()].map(({ document, values }) => ({
      ...document,
      values: [...values.values()],
    }))
  }
}

/** The report without gauges, which describe the present state of a process and not its past. */
export function countersIn(report: readonly MetricDocument[]): MetricDocument[] {
  return report.filter(({ type, aggregator }) => type !== 'gauge' && aggregator === 'sum')
}
