/** Centrifugo with its memory engine and a history of 1,000 events, over its unidirectional SSE transport. */
import { eventsOf } from '../server.js'
import { configurationIn, type Peer } from './peer.js'

const CHANNEL = 'feed'
const KEY = 'of-these-benches-only'

export const centrifugo: Peer = {
  name: 'Centrifugo (memory, history)',
  program: 'centrifugo',
  async configure({ folder, port }) {
    return {
      args: ['--config', configurationIn(folder)],
      configuration: JSON.stringify({
        http_server: { address: '127.0.0.1', port: `${port}` },
        log: { level: 'warn' },
        client: { insecure: true, connection_limit: 0 },
        http_api: { key: KEY },
        uni_sse: { enabled: true },
        channel: {
          without_namespace: {
            history_size: 1_000,
            history_ttl: '600s',
            allow_subscribe_for_client: true,
            allow_subscribe_for_anonymous: true,
          },
        },
      }),
      path: `/connection/uni_sse?cf_connect=${encodeURIComponent(JSON.stringify({ subs: { [CHANNEL]: {} } }))}`,
      publishPath: '/api/publish',
      headers: { 'content-type': 'application/json', 'x-api-key': KEY },
      bodyOf(first, _count, padding) {
        const [event] = eventsOf(first, 1, padding)
        return JSON.stringify({ channel: CHANNEL, data: event?.data })
      },
      greeting: '"connect"',
    }
  },
}
