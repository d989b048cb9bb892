/**
 * The settings of traces. They have OpenTelemetry's standard names, and its SDK reads them itself, so they are checked here and
 * nothing more. The SDK knows others too, such as OTEL_BSP_MAX_QUEUE_SIZE.
 */
import Type from 'typebox'

const ENDPOINT = { pattern: '^https?://', form: 'a URL such as http://localhost:4318' } as const

export const TRACE_SETTINGS = {
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      ...ENDPOINT,
      description:
        'Collector that gets the spans, at the path `/v1/traces`, as OTLP over HTTP in JSON. Unset, there are none.',
    }),
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: Type.Optional(
    Type.String({ ...ENDPOINT, description: 'The same with the whole path, and preferred.' }),
  ),
  OTEL_EXPORTER_OTLP_HEADERS: Type.Optional(
    Type.String({ secret: true, description: 'Headers for the collector: `name=value,…`.' }),
  ),
  OTEL_SERVICE_NAME: Type.Optional(
    Type.String({ description: 'The `service.name` of the spans. Unset: `sluice`.' }),
  ),
  OTEL_RESOURCE_ATTRIBUTES: Type.Optional(
    Type.String({ description: 'Further attributes of the process: `key=value,…`.' }),
  ),
  OTEL_TRACES_SAMPLER: Type.Enum(
    [
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ],
    { default: 'parentbased_always_on', description: 'Which traces are sampled.' },
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.Optional(
    Type.String({ description: 'The share of traces, from 0 to 1, for the samplers by ratio.' }),
  ),
  OTEL_SDK_DISABLED: Type.Enum(['true', 'false'], {
    default: 'false',
    description: '`true`: no spans in spite of an endpoint.',
  }),
}
