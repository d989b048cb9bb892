/** The export of spans, which is loaded only if a collector is configured (src/tracing/span-exporter.ts). */
import type { Config } from '../src/config/config.js'
import type { Logger } from '../src/logging/logger.js'

export interface SpanExport {
  /** For the warnings of the export. */
  logger?: Pick<Logger, 'warn'>
}

/** Call this before the gateway is built, which takes the provider that is registered then. */
export async function exportSpans(config: Config, closers: (() => Promise<unknown>)[]): Promise<SpanExport> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } = config
  const spans: SpanExport = {}
  if ((all ?? traces) !== undefined && config.OTEL_SDK_DISABLED !== 'true') {
    const exporter = await import('../src/tracing/span-exporter.js')
    closers.push(await exporter.exportSpans({ warn: (...line) => spans.logger?.warn(...line) }))
  }
  return spans
}
