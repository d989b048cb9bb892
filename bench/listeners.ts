/**
 * The clients, in a process of their own: raw sockets that read event streams and note when each event arrived.
 * Started by bench/audience.ts, which says over IPC where to connect and when to report.
 */
import { connect, type Socket } from 'node:net'
import { now } from './statistics.js'

export interface Order {
  readonly url: string
  readonly token: string
  readonly clients: number
}

export type Report =
  | { readonly kind: 'ready' }
  /** arrivals[client][n]: when event n reached the client, in ns. */
  | {
      readonly kind: 'arrivals'
      readonly arrivals: number[][]
      readonly fault?: string
      readonly cpuSeconds: number
    }

const EVENT = /id: (\d+)\.\w+\nevent: tick\ndata: \{"n":(\d+)/g

let fault: string | undefined
const arrivals: number[][] = []
const sockets: Socket[] = []

process.on('message', (message: Order | 'report') => {
  if (message === 'report') report()
  else void open(message).then(() => process.send?.({ kind: 'ready' } satisfies Report))
})

async function open({ url, token, clients }: Order): Promise<void> {
  const { hostname, port } = new URL(url)
  for (let client = 0; client < clients; client += 1) {
    const seen: number[] = []
    arrivals.push(seen)
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `GET /api/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n\r\n`,
        )
      })
      sockets.push(socket)
      socket.setEncoding('latin1')
      socket.on('error', reject)
      let rest = ''
      socket.on('data', (chunk: string) => {
        const at = now()
        if (chunk.includes('server.state')) resolve()
        rest += chunk
        const end = rest.lastIndexOf('\n\n')
        if (end < 0) return
        note(seen, rest.slice(0, end), at)
        rest = rest.slice(end)
      })
    })
  }
}

/** Each event once and in order, or the sample is worthless. */
function note(seen: number[], text: string, at: number): void {
  for (const [, , n] of text.matchAll(EVENT)) {
    if (Number(n) !== seen.length) fault ??= `A client got event ${n} after ${seen.length - 1}.`
    seen.push(at)
  }
}

function report(): void {
  const { user, system } = process.cpuUsage()
  const cpuSeconds = (user + system) / 1e6
  process.send?.({ kind: 'arrivals', arrivals, cpuSeconds, ...(fault && { fault }) } satisfies Report, () => {
    for (const socket of sockets) socket.destroy()
    process.disconnect?.()
  })
}
