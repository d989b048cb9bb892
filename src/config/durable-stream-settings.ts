/** The variables about the dialect of Durable Streams, as a part of `environment.ts`. */
import Type from 'typebox'
import { Whole } from './setting.js'

export const DURABLE_STREAM_SETTINGS = {
  DURABLE_STREAMS_PREFIX: Type.String({
    default: '/v1/stream',
    pattern: '^(off|(/[A-Za-z0-9._~-]+)+)$',
    form: 'a path such as /v1/stream, with a slash before each part and none at its end; or off',
    description:
      'Path under which streams are served in the form of Durable Streams. `off` does not serve this form.',
  }),
  DURABLE_STREAMS_SSE_AGE: Whole({
    default: 60,
    minimum: 1,
    maximum: 86_400,
    description:
      'Seconds after which the gateway ends a response of Server-Sent Events in this form, ± 10 %; the client requests the next one.',
  }),
  DURABLE_STREAMS_WAIT: Whole({
    default: 20,
    minimum: 1,
    maximum: 60,
    description: 'Seconds for which a long poll in this form waits for a message.',
  }),
}
