/** Reads one HTTP/1.1 request from a socket: its head, and a body that has a length or comes in chunks. */
import type { Socket } from 'node:net'

export interface Request {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Names in lower case; values of one name are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** @returns undefined if the connection ends before the request is complete. */
export async function readRequest(socket: Socket): Promise<Request | undefined> {
  const read = new Bytes(socket)
  const head = await read.through('\r\n\r\n')
  if (head === undefined) return undefined
  const [start = '', ...lines] = head.trimEnd().split('\r\n')
  const [method = '', path = ''] = start.split(' ')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value)
  }
  const body = await readBody(read, headers)
  return body === undefined ? undefined : { method, path, headers, body }
}

async function readBody(read: Bytes, headers: ReadonlyMap<string, string>): Promise<string | undefined> {
  if (headers.get('transfer-encoding') !== 'chunked') {
    return (await read.count(Number(headers.get('content-length') ?? 0)))?.toString()
  }
  const chunks: Buffer[] = []
  for (;;) {
    const size = Number.parseInt((await read.through('\r\n')) ?? '', 16)
    const chunk = Number.isNaN(size) ? undefined : await read.count(size + 2)
    if (chunk === undefined) return undefined
    if (size === 0) return Buffer.concat(chunks).toString()
    chunks.push(chunk.subarray(0, size))
  }
}

/** The bytes of a socket, as many as are asked for. */
class Bytes {
  #held = Buffer.alloc(0)
  #ended = false
  #arrived: () => void = () => {}

  constructor(socket: Socket) {
    socket.on('data', bytes => {
      this.#held = Buffer.concat([this.#held, bytes])
      this.#arrived()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#arrived()
    })
  }

  async through(mark: string): Promise<string | undefined> {
    while (!this.#held.includes(mark)) if (!(await this.#more())) return undefined
    return this.#take(this.#held.indexOf(mark) + mark.length).toString()
  }

  async count(bytes: number): Promise<Buffer | undefined> {
    while (this.#held.length < bytes) if (!(await this.#more())) return undefined
    return this.#take(bytes)
  }

  #take(bytes: number): Buffer {
    const taken = this.#held.subarray(0, bytes)
    this.#held = this.#held.subarray(bytes)
    return taken
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    await new Promise<void>(resolve => {
      this.#arrived = resolve
    })
    return true
  }
}
