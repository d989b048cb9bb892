/** `sluice doctor` through real proxies: it names the one that buffers, compresses or cuts a stream, and is content with the others. */
import pLimit from 'p-limit'
import t from 'tap'
import { runCommand } from '../../harness/command.js'
import { startGateway } from '../../harness/gateway.js'
import { startNginx, withoutNginx } from '../../harness/nginx.js'
import { startOwnProxy, withoutProgram } from '../../harness/own-proxy.js'
import { patient } from '../../harness/patience.js'
import { caddy, haproxy, startProxy } from '../../harness/proxies.js'
import { token } from '../../harness/tokens.js'

/** Long enough for every request but a stream, on a busy machine too. */
const SHORT_S = Math.ceil(patient(2_000) / 1_000)
const SHORT = `${SHORT_S}s`
const HEARTBEAT_MS = 2 * SHORT_S * 1_000
const WAIT_S = 10 * SHORT_S
const ADMIN = token({ role: 'admin', workspace: 'acme', sub: 'root' })
const MISSING = withoutNginx() || withoutProgram('haproxy') || withoutProgram('caddy')

interface Report {
  readonly code: number | null
  /** The verdict of each check, and what it says with the remedy. */
  readonly verdicts: Readonly<Record<string, string>>
  readonly texts: Readonly<Record<string, string>>
}

async function examine(url: string): Promise<Report> {
  const { code, out } = await runCommand(['doctor', '--json', '--wait', `${WAIT_S}`, '--url', url], {
    SLUICE_TOKEN: ADMIN,
  })
  const { findings } = JSON.parse(out) as {
    findings: Record<'check' | 'verdict' | 'text' | 'remedy', string>[]
  }
  return {
    code,
    verdicts: Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict])),
    texts: Object.fromEntries(findings.map(({ check, text, remedy = '' }) => [check, `${text} ${remedy}`])),
  }
}

/** Its exit code, and each check that is not well. */
function unwellOf(name: string, { code, verdicts }: Report) {
  const bad = Object.entries(verdicts).filter(
    ([check, verdict]) => verdict !== 'ok' && check !== 'database-reached',
  )
  return [name, code, ...bad.map(([check, verdict]) => `${check} ${verdict}`)]
}

const nginx = (upstream: number, more: string) => (port: number, folder: string) =>
  `
  pid ${folder}/pid; error_log stderr emerg;
  events { worker_connections 100; }
  http {
    access_log off;
    client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
    server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstream}; ${more} } }
  }`

const cutting = (upstream: number) => (port: number) =>
  `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server ${SHORT}
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:${upstream}
`

const caddyfile =
  (upstream: number, more: string, transport = '') =>
  (port: number) =>
    `
{
	admin off
}
http://127.0.0.1:${port} {
	${more}
	reverse_proxy 127.0.0.1:${upstream} {
		${transport}
	}
}
`

t.test('doctor names what stands in the way of a stream, and nothing else', { skip: MISSING }, async t => {
  const { url } = await startGateway(t, { env: { HEARTBEAT_MS: String(HEARTBEAT_MS) } })
  const upstream = Number(new URL(url).port)
  const [shippedNginx, shippedHaproxy, shippedCaddy] = await Promise.all([
    startNginx(t, { upstreams: [upstream] }),
    startProxy(t, haproxy, { upstreams: [upstream, upstream] }),
    startProxy(t, caddy, { upstreams: [upstream, upstream] }),
  ])
  const compress =
    'gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0; gzip_http_version 1.0;'
  const urls = {
    direct: url,
    'nginx of deploy/': shippedNginx.url,
    'haproxy of deploy/': shippedHaproxy.url,
    'caddy of deploy/': shippedCaddy.url,
    'nginx by default': await startOwnProxy(t, 'nginx', nginx(upstream, '')),
    'nginx that buffers': await startOwnProxy(
      t,
      'nginx',
      nginx(upstream, 'proxy_ignore_headers X-Accel-Buffering;'),
    ),
    'nginx that cuts': await startOwnProxy(t, 'nginx', nginx(upstream, `proxy_read_timeout ${SHORT};`)),
    'nginx that compresses': await startOwnProxy(t, 'nginx', nginx(upstream, compress)),
    'haproxy that cuts': await startOwnProxy(t, 'haproxy', cutting(upstream)),
    'caddy that cuts': await startOwnProxy(
      t,
      'caddy',
      caddyfile(upstream, '', `transport http {\n\t\t\tread_timeout ${SHORT}\n\t\t}`),
    ),
    'caddy that compresses': await startOwnProxy(
      t,
      'caddy',
      caddyfile(
        upstream,
        'encode {\n\t\tgzip\n\t\tminimum_length 1\n\t\tmatch header Content-Type text/event-stream*\n\t}',
      ),
    ),
  }

  const expected = [
    ['direct', 0],
    ['nginx of deploy/', 0],
    ['haproxy of deploy/', 0],
    ['caddy of deploy/', 0],
    ['nginx by default', 0],
    ['nginx that buffers', 1, 'sse-buffering fault', 'sse-timeout unknown'],
    ['nginx that cuts', 1, 'sse-timeout fault'],
    ['nginx that compresses', 0, 'sse-compression warning'],
    ['haproxy that cuts', 1, 'sse-timeout fault'],
    ['caddy that cuts', 1, 'sse-timeout fault'],
    ['caddy that compresses', 1, 'sse-buffering fault', 'sse-compression warning', 'sse-timeout unknown'],
  ]
  // Not all at once, and again if need be: doctor says so when a machine is too busy to deliver an event within a second. Each time it
  // would say what stands in the way, and what it has no reason to say it does not say each time.
  const settled = async ([name, at]: readonly [string, string]) => {
    const isExpected = (report: Report) => expected.some(row => row.join() === unwellOf(name, report).join())
    let report = await examine(at)
    for (let times = 1; times < 3 && !isExpected(report); times += 1) report = await examine(at)
    return [name, report] as const
  }
  const reports = Object.fromEntries(await pLimit(3).map(Object.entries(urls), settled))

  t.strictSame(
    Object.entries(reports).map(([name, report]) => unwellOf(name, report)),
    expected,
  )
  const said = (name: string, check: string) => reports[name]?.texts[check]
  t.match(
    said('nginx that buffers', 'sse-buffering'),
    /^nginx \(Server: nginx.*only after \d+ kB .*proxy_buffering off/,
  )
  t.match(
    said('nginx that cuts', 'sse-timeout'),
    /^nginx .* cuts the stream after \d+(\.\d)? s of silence.*proxy_read_timeout/,
  )
  t.match(said('nginx that compresses', 'sse-compression'), /^nginx .*Content-Encoding: gzip.*gzip off/)
  t.match(
    said('haproxy that cuts', 'sse-timeout'),
    /^Something .* after \d+(\.\d)? s of silence.*HAProxy: timeout server/,
  )
  t.match(said('caddy that cuts', 'sse-timeout'), /^Caddy .*read_timeout/)
  const streams = await fetch(`${url}/api/streams`, { headers: { authorization: `Bearer ${ADMIN}` } })
  const { streams: left } = (await streams.json()) as { streams: { name: string }[] }
  t.strictSame(
    left.filter(({ name }) => name !== 'feed'),
    [],
    'doctor leaves no stream behind',
  )
})
