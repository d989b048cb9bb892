/**
 * The real HAProxy and Caddy with the configurations that are shipped in deploy/. As for nginx (test/harness/nginx.ts), only
 * what a test must choose for itself is replaced, and a replacement that no longer fits the file is an error.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { type ProxyProcess, runProxy } from './own-proxy.js'
import { patient } from './patience.js'

export interface Proxy {
  readonly name: 'haproxy' | 'caddy'
  /** The configuration, from the root of the package. */
  readonly file: string
  /** What differs under test, as pairs of a text of the file and its replacement. */
  replacements(port: number): readonly (readonly [from: string, to: string])[]
  /** In place of the line of an id, if the client has none. */
  readonly withoutId: string
  /** In place of the plain address: the same address with TLS, for clients of HTTP/2. */
  tls(port: number, folder: string): readonly (readonly [from: string, to: string])[]
}

/** As root HAProxy raises the limit of file descriptors itself; tests may run with another account. */
const FEW = ['maxconn 50000', 'maxconn 500'] as const

export const haproxy: Proxy = {
  name: 'haproxy',
  withoutId: ':\n',
  file: 'deploy/haproxy.cfg',
  replacements: port => [['  bind :8080\n', `  bind 127.0.0.1:${port}\n`], FEW],
  tls: (port, folder) => [
    FEW,
    ['  bind :8080\n', ''],
    [
      '# bind :443 ssl crt /etc/haproxy/sluice.pem',
      `bind 127.0.0.1:${port} ssl crt ${join(folder, 'sluice.pem')}`,
    ],
  ],
}

export const caddy: Proxy = {
  name: 'caddy',
  withoutId: '',
  file: 'deploy/Caddyfile',
  replacements: port => [['\n:8080 {', `\nhttp://127.0.0.1:${port} {`]],
  tls: (port, folder) => [
    [
      '\n:8080 {',
      `\nhttps://127.0.0.1:${port} {\n\ttls ${join(folder, 'sluice.pem')} ${join(folder, 'sluice.pem')}`,
    ],
    ['admin off', 'admin off\n\tauto_https off'],
  ],
}

/** On a busy machine a gateway may answer the checks of its proxy late, which says nothing of it. */
function patientChecks({ name }: Proxy): readonly [from: string, to: string] {
  const ms = patient(10_000)
  return name === 'caddy'
    ? ['health_timeout 2s', `health_timeout ${ms}ms`]
    : ['  default-server check', `  timeout check ${ms}ms\n  default-server check`]
}

interface Options {
  readonly upstreams: readonly [number, number]
  /** A certificate with its key, in PEM: the proxy then speaks TLS. */
  readonly pem?: string
  /** Whether it can reload its configuration. Default: no. */
  readonly reloads?: boolean
  /** Further replacements. */
  readonly changes?: readonly (readonly [from: string, to: string])[]
}

export interface RunningProxy extends ProxyProcess {
  readonly url: string
}

/** Starts the proxy on a free port of the loopback in front of two gateways, and stops it when `t` ends. */
export async function startProxy(t: Test, proxy: Proxy, options: Options): Promise<RunningProxy> {
  const { upstreams, pem, reloads, changes = [] } = options
  const gateways = upstreams.map((upstream, n) => [`gateway-${n + 1}:8080`, `127.0.0.1:${upstream}`] as const)
  const write = (port: number, folder: string) => {
    if (pem !== undefined) writeFileSync(join(folder, 'sluice.pem'), pem)
    const address = pem === undefined ? proxy.replacements(port) : proxy.tls(port, folder)
    return [...address, ...gateways, patientChecks(proxy), ...changes].reduce(replaced, readShipped(proxy))
  }
  const running = await runProxy(t, proxy.name, write, reloads)
  return { ...running, url: `${pem === undefined ? 'http' : 'https'}://127.0.0.1:${running.port}` }
}

export function readShipped({ file }: Proxy): string {
  return readFileSync(join(packageRoot, file), 'utf8')
}

function replaced(text: string, [from, to]: readonly [string, string]): string {
  if (!text.includes(from))
    throw new Error(`The configuration has no '${from}' any more; test/harness/proxies.ts must follow.`)
  return text.replaceAll(from, () => to)
}
