/** The noise: producers in a process of their own. bench/fairness.ts starts it and sends it orders over IPC. */
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { eventsOf } from './server.js'

export type NoiseOrder =
  /** Publishes at a steady rate, from event 0, until a stop order; the answer is their number. */
  | {
      readonly kind: 'feed'
      readonly url: string
      readonly token: string
      readonly eventsPerSecond: number
    }
  | { readonly kind: 'stop' }
  /** Sends this many lines of output to a job, as fast as the gateway accepts them; answered when all are stored. */
  | {
      readonly kind: 'output'
      readonly url: string
      readonly token: string
      readonly lines: number
      readonly text: string
    }

const BATCHES_PER_SECOND = 20
const LINES_PER_PIECE = 256
const LINES_PER_REQUEST = 20_000

let stopped = false

process.on('message', (order: NoiseOrder) => {
  if (order.kind === 'stop') stopped = true
  else void make(order).then(events => process.send?.(events))
})

function make(order: Exclude<NoiseOrder, { kind: 'stop' }>): Promise<number> {
  return order.kind === 'feed' ? publish(order) : upload(order)
}

async function publish({ url, token, eventsPerSecond }: NoiseOrder & { kind: 'feed' }): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const count = Math.round(eventsPerSecond / BATCHES_PER_SECOND)
  const start = performance.now()
  let n = 0
  for (let batch = 1; !stopped; batch += 1) {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(eventsOf(n, count)) })
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`)
    await response.arrayBuffer()
    n += count
    await pause(Math.max(0, start + (batch * 1_000) / BATCHES_PER_SECOND - performance.now()))
  }
  return n
}

/** In several requests, because one request must not take longer than its deadline. */
async function upload({ url, token, lines, text }: NoiseOrder & { kind: 'output' }): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  for (let first = 0; first < lines; first += LINES_PER_REQUEST) {
    const end = Math.min(lines, first + LINES_PER_REQUEST)
    const body = Readable.toWeb(Readable.from(pieces(first, end, text))) as ReadableStream
    const response = await fetch(url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
    const answer = (await response.json()) as { stored?: number }
    if (answer.stored !== end - first) throw new Error(`${response.status} ${JSON.stringify(answer)}`)
  }
  return lines
}

function* pieces(from: number, to: number, text: string): Generator<Buffer> {
  for (let first = from; first < to; first += LINES_PER_PIECE) {
    const count = Math.min(LINES_PER_PIECE, to - first)
    const piece = Array.from({ length: count }, (_, index) =>
      JSON.stringify({ type: 'output', data: { n: first + index, text } }),
    )
    yield Buffer.from(`${piece.join('\n')}\n`)
  }
}
