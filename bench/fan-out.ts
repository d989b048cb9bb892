/** What one delivery costs the server, against a bare Node server in the same run. */
import { deliver } from './delivery.js'
import type { Row } from './run.js'
import { round } from './statistics.js'
import { type Server, startBare, startSubject } from './subject.js'

const CASES = [
  { clients: 100, rate: 100, events: 500 },
  { clients: 2_000, rate: 20, events: 200 },
] as const

export async function fanOut(): Promise<Row[]> {
  const rows: Row[] = []
  for (const { clients, rate, events } of CASES) {
    const bare = await measure(await startBare(), clients, rate, events)
    const gateway = await measure(await startSubject(), clients, rate, events)
    rows.push({
      clients,
      'events/s': rate,
      'bare µs CPU/delivery': round(bare.server),
      'gateway µs CPU/delivery': round(gateway.server),
      'gateway / bare': round(gateway.server / bare.server),
      'clients µs CPU/delivery': round(gateway.clients),
    })
  }
  return rows
}

async function measure(server: Server, clients: number, rate: number, events: number) {
  try {
    const { serverCpu, clientsCpu } = await deliver({
      server,
      clients,
      rate,
      events,
      publish: server.publish,
    })
    const perDelivery = 1e6 / (clients * events)
    return { server: serverCpu * perDelivery, clients: clientsCpu * perDelivery }
  } finally {
    await server.close()
  }
}
