/**
 * Traces by OpenTelemetry's API. Without a registered provider there is no tracing, and nothing of it costs anything. Spans are
 * made after the fact, because a group commit, a read and a delivery concern events of many publishers: the span belongs to the trace
 * of the first sampled one, and links to the others. However many clients a delivery has, it is one span.
 */
import {
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { packageVersion } from '../process/package-version.js'
import type { EventTracing, Step, Traced } from './event-tracing.js'
import { traceparentIn } from './traceparent.js'

/** A span has no more links, whatever the number of events. */
const MAX_LINKS = 32

export interface RequestSpan {
  /** The place of the request itself; undefined if its trace is not sampled. */
  readonly traceparent: string | undefined
  readonly traceId: string
  readonly spanId: string
  /** @param status of the response. */
  end(status: number): void
}

/** As the caller gave them. */
export interface TraceHeaders {
  readonly traceparent?: unknown
  readonly tracestate?: unknown
}

export class Tracing implements EventTracing {
  readonly #tracer: Tracer

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  step(
    step: Step,
    events: readonly Traced[],
    startedAt: number,
    figures?: Readonly<Record<string, number>>,
  ): void {
    const [parent, ...others] = sampledIn(events)
    if (!parent) return
    const endTime = Date.now()
    const options = {
      startTime: endTime - (performance.now() - startedAt),
      links: others.map(context => ({ context })),
      attributes: { 'sluice.events': events.length, ...figures },
    }
    this.#tracer.startSpan(`sluice ${step}`, options, trace.setSpanContext(ROOT_CONTEXT, parent)).end(endTime)
  }

  /** The place of the embedding program's active span; undefined without one, or if its trace is not sampled. */
  get active(): string | undefined {
    const span = trace.getSpan(context.active())
    return span && placeOf(span)
  }

  /** @param name such as `POST /api/events`. @param headers of the request. */
  request(name: string, headers: TraceHeaders, attributes: Readonly<Record<string, string>>): RequestSpan {
    const options = { kind: SpanKind.SERVER, attributes }
    const span = this.#tracer.startSpan(name, options, parentOf(headers))
    const { traceId, spanId } = span.spanContext()
    return { traceId, spanId, traceparent: placeOf(span), end: status => endRequest(span, status) }
  }
}

/** By the provider that the process or the embedding program has registered by now; undefined without one. */
export function registeredTracing(): Tracing | undefined {
  const provider = trace.getTracerProvider()
  const tracer =
    'getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function'
      ? provider.getDelegateTracer('sluice', packageVersion())
      : provider.getTracer('sluice', packageVersion())
  return tracer && new Tracing(tracer)
}

/** The span of the embedding program if it has one, or else the caller's. */
function parentOf({ traceparent, tracestate }: TraceHeaders): Context {
  const active = context.active()
  if (trace.getSpan(active)) return active
  const given = traceparentIn(traceparent)
  // Without a valid traceparent the tracestate is not read (W3C Trace Context, section 4.3).
  if (given === undefined) return ROOT_CONTEXT
  const parent = spanContextOf(given)
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...parent,
    ...(typeof tracestate === 'string' && { traceState: createTraceState(tracestate) }),
  })
}

function endRequest(span: Span, status: number): void {
  span.setAttribute('http.response.status_code', status)
  // A refused request is a fault of the caller, not of this span (the semantic conventions for HTTP servers).
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

/** The places of the events in their traces: of the sampled ones, each once. */
function sampledIn(events: readonly Traced[]): SpanContext[] {
  const places = new Set<string>()
  for (const { traceparent } of events) {
    if (!traceparent || !isSampled(traceparent)) continue
    places.add(traceparent)
    if (places.size > MAX_LINKS) break
  }
  return [...places].map(spanContextOf)
}

function isSampled(traceparent: string): boolean {
  return (Number.parseInt(traceparent.slice(-2), 16) & TraceFlags.SAMPLED) !== 0
}

function spanContextOf(traceparent: string): SpanContext {
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(-2), 16),
    isRemote: true,
  }
}

function placeOf(span: Span): string | undefined {
  const place = span.spanContext()
  if (!isSpanContextValid(place) || (place.traceFlags & TraceFlags.SAMPLED) === 0) return undefined
  return `00-${place.traceId}-${place.spanId}-${place.traceFlags.toString(16).padStart(2, '0')}`
}
