/** Mercure with its database file (bolt): stores an event before it sends it. */
import { eventsOf } from '../server.js'
import { signed } from '../token.js'
import { configurationIn, type Peer } from './peer.js'

const SECRET = 'of these benches only, for an hour'
const TOPIC = 'feed'

export const mercure: Peer = {
  name: 'Mercure (bolt)',
  program: 'mercure',
  async configure({ folder, port }) {
    return {
      args: ['run', '--config', configurationIn(folder), '--adapter', 'caddyfile'],
      env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      configuration: `{
  auto_https off
  admin off
  persist_config off
  log {
    level WARN
  }
}
http://:${port} {
  bind 127.0.0.1
  mercure {
    transport bolt {
      path ${folder}/events.db
      size 1000
    }
    publisher_jwt "${SECRET}"
    subscriber_jwt "${SECRET}"
    anonymous
  }
}
`,
      path: `/.well-known/mercure?topic=${TOPIC}`,
      publishPath: '/.well-known/mercure',
      viewer: signed({ mercure: { subscribe: ['*'] } }, SECRET),
      editor: signed({ mercure: { publish: ['*'] } }, SECRET),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      bodyOf(first, _count, padding) {
        const [event] = eventsOf(first, 1, padding)
        return `${new URLSearchParams({ topic: TOPIC, type: 'tick', data: JSON.stringify(event?.data) })}`
      },
      greeting: 'HTTP/1.1 200',
    }
  },
}
