/** Recognises what stands between a client and the gateway by the headers of a response, and knows its remedies. */
import type { IncomingHttpHeaders } from 'node:http'

export interface ProxyName {
  /** In words, with the header that shows it: `nginx (Server: nginx/1.22.1)`. */
  readonly text: string
  readonly kind: keyof typeof REMEDIES
}

const REMEDIES = {
  nginx: {
    buffering:
      'nginx: proxy_buffering off and proxy_cache off for the stream routes, and no proxy_ignore_headers X-Accel-Buffering; deploy/nginx.conf has all of it.',
    timeout: 'nginx: proxy_read_timeout above HEARTBEAT_MS, such as 90s.',
    compression: 'nginx: gzip off for the stream routes, or text/event-stream not in gzip_types.',
  },
  Caddy: {
    buffering: 'Caddy: flush_interval -1 in reverse_proxy, and no request or response buffers.',
    timeout: 'Caddy: read_timeout of the transport and write timeouts of the server above HEARTBEAT_MS.',
    compression: 'Caddy: leave text/event-stream out of encode.',
  },
  Apache: {
    buffering: 'Apache: flushpackets=on at ProxyPass, and no mod_buffer.',
    timeout: 'Apache: ProxyTimeout above HEARTBEAT_MS.',
    compression: 'Apache: SetEnv no-gzip 1 for the stream routes.',
  },
  other: {
    buffering: 'Switch off its buffering and its cache for text/event-stream.',
    timeout:
      'Set its time-out for silent responses above HEARTBEAT_MS (nginx: proxy_read_timeout; HAProxy: timeout server and timeout client; load balancers: idle time-out), or lower HEARTBEAT_MS.',
    compression: 'Switch off compression for text/event-stream.',
  },
} as const

/** Headers that only proxies and networks of proxies set. */
const MARKS: readonly (readonly [header: string, name: string])[] = [
  ['cf-ray', 'Cloudflare'],
  ['x-amz-cf-id', 'CloudFront'],
  ['x-azure-ref', 'Azure Front Door'],
  ['x-envoy-upstream-service-time', 'Envoy'],
  ['x-varnish', 'Varnish'],
  ['x-served-by', 'a cache'],
  ['x-cache', 'a cache'],
  ['fly-request-id', 'Fly.io'],
]

/** Undefined if no header shows a proxy: many, such as HAProxy, set none. */
export function proxyOf(headers: IncomingHttpHeaders): ProxyName | undefined {
  const found: string[] = []
  const { server, via } = headers
  if (server !== undefined) found.push(`Server: ${server}`)
  if (via !== undefined) found.push(`Via: ${via}`)
  const mark = MARKS.find(([header]) => headers[header] !== undefined)
  if (mark) found.push(`${mark[0]}: ${headers[mark[0]]}`)
  if (found.length === 0) return undefined
  const said = `${mark?.[1] ?? ''} ${server ?? ''} ${via ?? ''}`
  const kind = /nginx|openresty/i.test(said)
    ? 'nginx'
    : /caddy/i.test(said)
      ? 'Caddy'
      : /apache/i.test(said)
        ? 'Apache'
        : 'other'
  const name = kind === 'other' ? (mark?.[1] ?? 'a proxy') : kind
  return { text: `${name} (${found.join(', ')})`, kind }
}

export function proxyRemedy(
  proxy: ProxyName | undefined,
  of: 'buffering' | 'timeout' | 'compression',
): string {
  return REMEDIES[proxy?.kind ?? 'other'][of]
}
