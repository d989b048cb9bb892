/** The metrics on a port of their own, without credentials: for a network that only the operator reaches. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { METRICS_TYPE } from '../src/metrics/metrics.js'

export interface MetricsServerOptions {
  readonly host: string
  readonly port: number
  /** The metrics in the text format of Prometheus. */
  text(): Promise<string>
}

/** @returns the function that closes it. @throws if the port is taken. */
export async function serveMetrics({ host, port, text }: MetricsServerOptions): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    request.resume()
    const path = request.url?.split('?')[0]
    if (path !== '/metrics') return end(404, 'The metrics are at /metrics.\n')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return end(405, 'Use GET.\n', { allow: 'GET, HEAD' })
    text().then(
      body => end(200, body, { 'content-type': METRICS_TYPE }),
      () => end(503, 'The metrics cannot be read now. Try again.\n'),
    )

    function end(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
      const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }
      response.writeHead(status, { ...plain, ...headers }).end(body)
    }
  })
  server.listen(port, host)
  // Rejects with the error, if the port is taken.
  await once(server, 'listening')
  return async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
}
