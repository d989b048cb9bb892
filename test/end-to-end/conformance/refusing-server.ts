/** A server that has one status for everybody: it counts who comes back for it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface RefusingServer {
  /** The URL for one client, which gets that status. */
  urlOf(client: string, status: number): string
  /** How often it was asked for. */
  requests(client: string, status: number): number
}

export async function startRefusingServer(t: Test): Promise<RefusingServer> {
  const counts = new Map<string, number>()
  const pathOf = (client: string, status: number) => `/${status}/${encodeURIComponent(client)}`
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    counts.set(path, (counts.get(path) ?? 0) + 1)
    const status = Number(path.split('/')[1])
    if (status === 204) response.writeHead(status).end()
    else response.writeHead(status, { 'content-type': 'application/problem+json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    urlOf: (client, status) => origin + pathOf(client, status),
    requests: (client, status) => counts.get(pathOf(client, status)) ?? 0,
  }
}
