/**
 * The bytes that the kernel keeps for a connection because the other side has not acknowledged them. Node hears that a full connection
 * has room only when a third of the kernel's buffer is free, up to 1.4 MB on Linux: with a client that reads slowly that takes a minute
 * or more. The kernel's table of connections shows each acknowledgement.
 *
 * Reading the table costs about 8 ms of CPU and 4 µs for each connection of the container or machine, mostly outside the event loop. So
 * one read answers all questions that were asked before it, and the next one comes seconds later.
 */
import { createReadStream } from 'node:fs'
import { endianness } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { literalBytes } from './address-range.js'

const TABLES = { 4: '/proc/net/tcp', 16: '/proc/net/tcp6' } as const
const SHORTEST_PAUSE_MS = 3_000
const TIMES_THE_READ = 10
const WORD_BYTES = 4

/** Both ends of a connection, as a socket of Node has them. */
export interface Ends {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/** The callers that wait for an answer, by the text of the connection in the table. */
type Questions = Map<string, ((bytes: number | undefined) => void)[]>

export class SendQueues {
  readonly #tables: Readonly<Record<4 | 16, string>>
  readonly #shortestPauseMs: number
  #questions: Record<4 | 16, Questions> = { 4: new Map(), 16: new Map() }
  #reads = false

  /**
   * @param tables files in the form of the kernel's, for tests.
   * @param shortestPauseMs milliseconds between two reads, at least.
   */
  constructor(tables: Readonly<Record<4 | 16, string>> = TABLES, shortestPauseMs = SHORTEST_PAUSE_MS) {
    this.#tables = tables
    this.#shortestPauseMs = shortestPauseMs
  }

  /**
   * The bytes that wait in the kernel at a moment after the call, some seconds later if another call has just been answered.
   * Undefined if nobody knows: on other systems than Linux, for a connection that has closed, or without a free descriptor. Never
   * rejects, and keeps no process alive.
   */
  bytesOf({ localAddress, localPort, remoteAddress, remotePort }: Ends): Promise<number | undefined> {
    const [local, remote] = [literalBytes(plain(localAddress)), literalBytes(plain(remoteAddress))]
    if (!local || !remote || local.length !== remote.length) return Promise.resolve(undefined)
    const name = `${nameOf(local, localPort)} ${nameOf(remote, remotePort)}`
    const questions = this.#questions[local.length === 4 ? 4 : 16]
    return new Promise(resolve => {
      const asked = questions.get(name)
      if (asked) asked.push(resolve)
      else questions.set(name, [resolve])
      if (!this.#reads) void this.#answerAll()
    })
  }

  async #answerAll(): Promise<void> {
    this.#reads = true
    // The other questions of this turn of the event loop come first.
    await Promise.resolve()
    while (this.#questions[4].size + this.#questions[16].size > 0) {
      const asked = this.#questions
      this.#questions = { 4: new Map(), 16: new Map() }
      const start = performance.now()
      for (const kind of [4, 16] as const) await answer(this.#tables[kind], asked[kind])
      const pauseMs = Math.max(this.#shortestPauseMs, TIMES_THE_READ * (performance.now() - start))
      await pause(pauseMs, undefined, { ref: false })
    }
    this.#reads = false
  }
}

async function answer(table: string, questions: Questions): Promise<void> {
  if (questions.size === 0) return
  try {
    let rest = ''
    for await (const chunk of createReadStream(table, 'latin1')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) answerLine(line, questions)
    }
  } catch {
    // No such table here, or no free descriptor: the answer is unknown.
  }
  for (const resolves of questions.values()) for (const resolve of resolves) resolve(undefined)
}

/** `  12: 0100007F:1F90 0100007F:C350 01 003B0000:00000000 …`: a number, both ends, a state, the bytes to send and to read. */
function answerLine(line: string, questions: Questions): void {
  const start = line.indexOf(': ') + 2
  const end = line.indexOf(' ', line.indexOf(' ', start) + 1)
  const name = line.slice(start, end)
  const resolves = questions.get(name)
  if (!resolves) return
  const bytes = Number.parseInt(line.slice(end + 4, end + 12), 16)
  for (const resolve of resolves) resolve(Number.isNaN(bytes) ? undefined : bytes)
  questions.delete(name)
}

/** An address of IPv6 may name the interface that leads to it; the table does not. */
function plain(address = ''): string {
  return address.split('%', 1)[0] ?? ''
}

/** The kernel writes an address in words of 32 bits, each in the byte order of the machine. */
function nameOf(address: readonly number[], port = 0): string {
  let text = ''
  for (let at = 0; at < address.length; at += WORD_BYTES) {
    const word = address.slice(at, at + WORD_BYTES)
    text += hex(endianness() === 'LE' ? word.reverse() : word)
  }
  return `${text}:${hex([port >> 8, port & 255])}`
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex').toUpperCase()
}
