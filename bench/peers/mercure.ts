/** Mercure with its database file (bolt): stores an event before it sends it. */
import { createHmac } from 'node:crypto'
import { eventsOf } from '../server.js'
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
      viewer: tokenOf({ subscribe: ['*'] }),
      editor: tokenOf({ publish: ['*'] }),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      bodyOf(first, _count, padding) {
        const [event] = eventsOf(first, 1, padding)
        return `${new URLSearchParams({ topic: TOPIC, type: 'tick', data: JSON.stringify(event?.data) })}`
      },
      greeting: 'HTTP/1.1 200',
    }
  },
}

/** A JWT (RFC 7519) by HS256. */
function tokenOf(rights: object): string {
  const text = [{ alg: 'HS256', typ: 'JWT' }, { mercure: rights }]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}
