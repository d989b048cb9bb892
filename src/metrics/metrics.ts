/**
 * The metrics of one gateway. Each room counts for itself, as plain numbers; here they are read, when Prometheus asks, and
 * formatted by prom-client. Metrics of Node and the process (prom-client's own) stand beside them.
 */
import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client'
import { INSTRUMENTS, type InstrumentName } from './instruments.js'
import { documentOf, type MetricDocument, type Sample } from './sampled-metric.js'

/** The precision of the event loop's delay, in ms. Its timer costs about 0.1 % of a core. */
const EVENT_LOOP_PRECISION_MS = 20

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE
/** Without an answer of the database in this time, in ms, a figure is missing: the others must not wait for it. */
export const ANSWER_MS = 200

type Read = () => readonly Sample[] | Promise<readonly Sample[]>

export class Metrics {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS })
  }

  /** Shows an instrument. @param read called at every scrape; a metric whose reading fails has no samples then. */
  show(name: InstrumentName, read: Read): void {
    const instrument = INSTRUMENTS[name]
    const get = async () => documentOf(instrument, await attempt(read))
    this.#registry.registerMetric({ ...instrument, get } as never)
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** The documents that `joined` takes, for another process. */
  async documents(): Promise<MetricDocument[]> {
    return (await this.#registry.getMetricsAsJSON()) as unknown as MetricDocument[]
  }
}

/** The metrics of several processes as those of one, in the text format of Prometheus. */
export function joined(processes: readonly (readonly MetricDocument[])[]): Promise<string> {
  return AggregatorRegistry.aggregate(processes as never).metrics()
}

async function attempt(read: Read): Promise<readonly Sample[]> {
  try {
    return await read()
  } catch {
    return []
  }
}
