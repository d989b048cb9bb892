/** Every test of the public conformance suite, against the server at CONFORMANCE_URL. The suite finds none from inside node_modules. */
import { runConformanceTests } from '@durable-streams/server-conformance-tests'

runConformanceTests({ baseUrl: process.env.CONFORMANCE_URL, longPollTimeoutMs: 5_000, subscriptions: true })
