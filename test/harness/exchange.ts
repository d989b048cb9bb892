/** Sends one text on one connection and returns the answer: for requests that no HTTP client would send. */
import { connect } from 'node:net'
import { afterPatience } from './patience.js'

/** At most the time that the server allows for an incomplete request. */
const PATIENCE_MS = 10_000
const SHOWN = 200

export interface Exchange {
  /** Latin-1: a character is a byte. */
  readonly text: string
  /** Of each answer, in order. */
  readonly statuses: readonly number[]
}

interface ExchangeOptions {
  /** Closes this half after the last byte, so that the server sees the end of the input. Default no. */
  readonly ends?: boolean
  /** How long the whole exchange may take. Default 10 s. */
  readonly patienceMs?: number
}

/** Sends `bytes` as they are and resolves when the server has closed the connection; it must do so by itself. */
export function exchange(
  port: number | string,
  bytes: string,
  { ends = false, patienceMs = PATIENCE_MS }: ExchangeOptions = {},
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1')
    const callOff = afterPatience(patienceMs, () => {
      socket.destroy()
      const [sent, came] = [bytes.slice(0, SHOWN), text.slice(-SHOWN)].map(part => JSON.stringify(part))
      reject(new Error(`No end within ${patienceMs} ms. Sent was ${sent} …, and came … ${came}`))
    })
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      text += chunk
    })
    // A reset connection is also an answer to an unreadable request.
    socket.on('error', () => {})
    socket.on('close', () => {
      callOff()
      resolve({ text, statuses: statusesIn(text) })
    })
    if (ends) socket.end(bytes, 'latin1')
    else socket.write(bytes, 'latin1')
  })
}

/** A request that ends its connection; `target` is taken as it is. */
export function requestText(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n${lines.join('')}\r\n`
}

export function portOf(url: string): string {
  return new URL(url).port
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))
}
