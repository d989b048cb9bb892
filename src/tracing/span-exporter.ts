/**
 * Sends the spans of this process to a collector, by OTLP over HTTP (JSON). Only here is OpenTelemetry's SDK loaded. It reads its
 * standard variables itself: OTEL_EXPORTER_OTLP_…, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_….
 *
 * Spans wait in a queue of bounded length, 2,048 unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise; spans beyond it are lost. So a
 * collector that is slow or away holds nothing back.
 */
import { randomUUID } from 'node:crypto'
import { DiagLogLevel, diag, trace } from '@opentelemetry/api'
import type { Logger } from '../logging/logger.js'
import { withinDeadline } from '../process/deadline.js'
import { packageVersion } from '../process/package-version.js'

/** How long the end of the process waits for the last spans. */
const FLUSH_MS = 5_000
/** A collector that is away is reported this often. */
const REPORT_EVERY_MS = 60_000

/**
 * Registers the provider whose spans are exported.
 * @returns a function that sends what waits, for 5 s at most, and ends the export.
 */
export async function exportSpans(logger: Pick<Logger, 'warn'>): Promise<() => Promise<void>> {
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  report(logger)
  const own = resources.resourceFromAttributes({
    'service.name': 'sluice',
    'service.version': packageVersion(),
    // Each worker is an instance of its own.
    'service.instance.id': randomUUID(),
    'process.pid': process.pid,
  })
  const given = resources.detectResources({ detectors: [resources.envDetector] })
  const provider = new NodeTracerProvider({
    resource: resources.defaultResource().merge(own).merge(given),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  trace.setGlobalTracerProvider(provider)
  return async () => {
    trace.disable()
    const sent = provider.shutdown().catch(() => undefined)
    await withinDeadline(sent, FLUSH_MS)
    diag.disable()
  }
}

/** The SDK's own warnings, such as a collector that is away, as lines of our log. */
function report(logger: Pick<Logger, 'warn'>): void {
  let silentUntil = 0
  const warn = (message: string) => {
    if (Date.now() < silentUntil) return
    silentUntil = Date.now() + REPORT_EVERY_MS
    logger.warn(
      { cause: message.slice(0, 500) },
      'Spans cannot be exported. Check OTEL_EXPORTER_OTLP_ENDPOINT and its collector.',
    )
  }
  const silent = () => undefined
  diag.setLogger(
    { error: warn, warn, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}
