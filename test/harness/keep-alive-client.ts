/**
 * Requests on a bare socket that is kept open, one after the other or several at once: the target and the headers are sent byte for
 * byte, which no HTTP library does. An answer that is an open stream is closed after its head.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { within } from './patience.js'
import { AnswerReader, type RawAnswer } from './raw-answers.js'

export interface RawRequest {
  readonly method: string
  /** Without spaces or line ends. */
  readonly target: string
  /** Without line ends. */
  readonly headers: readonly string[]
  readonly body?: Buffer | undefined
}

export interface Pipelined {
  /** Share of the bytes, from 0 to 1, after which the first packet ends. Default 1: everything is in one packet. */
  readonly cutAt?: number
  /** Whether the rest is never sent: the client says that it is done in the middle of a request. */
  readonly half?: boolean
}

const PATIENCE_MS = 15_000

export class KeepAliveClient {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  async send(request: RawRequest): Promise<RawAnswer> {
    const [answer] = await this.sendAll([request])
    if (!answer) throw new Error('closed without an answer')
    return answer
  }

  /**
   * Sends the requests without waiting for an answer (RFC 9112 section 9.3.2).
   * @returns the answers in the order of the requests: fewer if the server has ended the connection, or with `half`.
   * @throws if the connection ends in the middle of an answer, or while none of them says that it does.
   */
  async sendAll(
    requests: readonly RawRequest[],
    { cutAt = 1, half = false }: Pipelined = {},
  ): Promise<RawAnswer[]> {
    const socket = await this.#connected()
    const bytes = Buffer.concat(requests.map(bytesOf))
    const reader = new AnswerReader(requests.map(({ method }) => method))
    const answers = new Promise<RawAnswer[]>((resolve, reject) => {
      const over = (closed: boolean) => {
        if (!reader.isOver && !closed) return
        socket.removeAllListeners('data').removeAllListeners('close')
        if (closed || reader.ends || half) this.close()
        if (reader.isOver || (half && reader.isWhole)) return resolve([...reader.answers])
        return reject(
          new Error(`closed after ${reader.answers.length} answers and ${JSON.stringify(`${reader.rest}`)}`),
        )
      }
      socket.on('data', (chunk: Buffer) => {
        reader.add(chunk)
        over(false)
      })
      socket.on('close', () => {
        reader.close()
        over(true)
      })
    })
    const cut = Math.floor(bytes.length * cutAt)
    socket.write(bytes.subarray(0, cut))
    if (half) socket.end()
    else if (cut < bytes.length) {
      await turn()
      socket.write(bytes.subarray(cut))
    }
    return await within(PATIENCE_MS, answers, () => `${reader.answers.length} answers`).catch(error => {
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
