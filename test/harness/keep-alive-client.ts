/**
 * Requests one after the other on a bare socket that is kept open: the target and the headers are sent byte for byte, which no HTTP
 * library does. An answer that is an open stream is closed after its head.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { within } from './patience.js'

export interface RawRequest {
  readonly method: string
  /** Without spaces or line ends. */
  readonly target: string
  /** Without line ends. */
  readonly headers: readonly string[]
  readonly body?: Buffer | undefined
}

export interface RawAnswer {
  readonly status: number
  /** In lower case; empty if there is none. */
  readonly contentType: string
  /** Empty for a stream. */
  readonly body: string
}

const PATIENCE_MS = 15_000
const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')
const STREAMS = /text\/event-stream|ndjson/

export class KeepAliveClient {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  async send(request: RawRequest): Promise<RawAnswer> {
    const socket = await this.#connected()
    const bytes = bytesOf(request)
    const answer = new Promise<RawAnswer>((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0)
      const over = (closed: boolean) => {
        const answer = answerIn(received, request.method, closed)
        if (!answer) return closed && reject(new Error(`closed after ${JSON.stringify(`${received}`)}`))
        socket.removeAllListeners('data').removeAllListeners('close')
        if (closed || answer.ends) this.close()
        return resolve(answer)
      }
      socket.on('data', (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
        over(false)
      })
      socket.on('close', () => over(true))
    })
    socket.write(bytes)
    return await within(PATIENCE_MS, answer, () => 'no answer').catch(error => {
      this.close()
      throw error
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #connected(): Promise<Socket> {
    if (this.#socket?.writable) return this.#socket
    const socket = connect(this.#port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    this.#socket = socket
    return socket
  }
}

function bytesOf({ method, target, headers, body }: RawRequest): Buffer {
  const length = body ? [`Content-Length: ${body.length}`] : []
  const head = [`${method} ${target} HTTP/1.1`, 'Host: localhost', ...headers, ...length, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), ...(body ? [body] : [])])
}

/** Undefined while it is not complete. `ends`: the connection cannot be used again. */
function answerIn(
  bytes: Buffer,
  method: string,
  closed: boolean,
): (RawAnswer & { ends: boolean }) | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const head = bytes.subarray(0, headEnd).toString('latin1').toLowerCase()
  const status = Number(head.slice(9, 12))
  const contentType = /^content-type: *(.*)$/m.exec(head)?.[1] ?? ''
  const rest = bytes.subarray(headEnd + HEAD_END.length)
  const ends = /^connection: close/m.test(head)
  if (method === 'HEAD' || status === 204 || status === 304) return { status, contentType, body: '', ends }
  if (STREAMS.test(contentType)) return { status, contentType, body: '', ends: true }
  const length = /^content-length: *(\d+)/m.exec(head)?.[1]
  if (length !== undefined ? rest.length < Number(length) : !closed && !rest.subarray(-5).equals(LAST_CHUNK))
    return undefined
  return { status, contentType, body: rest.toString(), ends: ends || length === undefined }
}
