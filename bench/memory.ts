/**
 * How a gateway with a small heap behaves if more streams connect than the heap holds: how many it admits; that these
 * receive the events published while it is full; and how soon it admits streams again when they have disconnected.
 * Each stream has its own filter of the maximum length, so that few streams fill the heap. The sample's check is that
 * the process survives.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Row, Size } from './row.js'
import { round } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

const HEAP_MB = { default: [96], full: [96, 192] }
const AT_ONCE = 50
/** By then it stays full. */
const REFUSED = 200
const PATIENCE_MS = 60_000

export async function memory(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const megabytes of HEAP_MB[size]) {
    const subject = await startSubject({ env: { NODE_OPTIONS: `--max-old-space-size=${megabytes}` } })
    try {
      rows.push({ 'heap MB': megabytes, ...(await fill(subject)) })
    } finally {
      await subject.close()
    }
  }
  return rows
}

async function fill(subject: Subject): Promise<Row> {
  const callers: Caller[] = []
  const heard = (name: string) => callers.filter(({ text }) => text.includes(`event: ${name}`))
  while (heard('unavailable').length < REFUSED) {
    const coming = Array.from({ length: AT_ONCE }, () => new Caller(subject))
    callers.push(...coming)
    await until('an answer for each', () => coming.every(({ text }) => text.includes('event: ')))
  }
  const { percent } = await memoryOf(subject)
  const letIn = heard('server.state').length
  // From SQL, because the gateway accepts nothing over HTTP now.
  await publishFromSql(subject)
  await until('the event, everywhere', () => heard('all').length === letIn)

  for (const { socket } of callers) socket.destroy()
  const left = performance.now()
  await until('room again', async () => (await memoryOf(subject)).state !== 'low')
  const seconds = (performance.now() - left) / 1_000
  return {
    'let in': letIn,
    refused: callers.length - letIn,
    'full %': percent,
    'room again s': round(seconds),
  }
}

class Caller {
  static #made = 0
  readonly socket: Socket
  text = ''

  constructor({ url, path, viewer }: Subject) {
    const number = Caller.#made++
    const types = Array.from({ length: 31 }, (_, n) => `${'x'.repeat(110)}${number}.${n}`)
    this.socket = connect(Number(new URL(url).port), '127.0.0.1')
    this.socket.on('data', chunk => {
      this.text += chunk
    })
    this.socket.on('error', () => {})
    const lines = [`GET ${path}?types=all,${types} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${viewer}`]
    this.socket.write(`${[...lines, 'Accept: text/event-stream'].join('\r\n')}\r\n\r\n`)
  }
}

async function publishFromSql({ databaseUrl }: Subject): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`select sluice.publish('demo', 'feed', 'all', '{}')`)
  await client.end()
}

async function memoryOf({ url }: Subject): Promise<{ state: string; percent: number }> {
  const response = await fetch(`${url}/ready`)
  return ((await response.json()) as { memory: { state: string; percent: number } }).memory
}

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`Not in time: ${what}.`)
    await pause(20)
  }
}
