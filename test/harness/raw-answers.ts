/** Answers on one connection, read from its bytes in the order of their requests. */

export interface RawAnswer {
  readonly status: number
  /** In lower case; empty if there is none. */
  readonly contentType: string
  /** Empty for a stream. */
  readonly body: string
}

interface Parsed extends RawAnswer {
  /** The place after it. */
  readonly end: number
  /** Whether the connection cannot be used after it. */
  readonly ends: boolean
}

const HEAD_END = Buffer.from('\r\n\r\n')
const STREAMS = /text\/event-stream|ndjson/

export class AnswerReader {
  readonly answers: RawAnswer[] = []
  /** Whether an answer has ended the connection. */
  ends = false
  readonly #methods: readonly string[]
  #bytes: Buffer = Buffer.alloc(0)

  /** @param methods of the requests, in their order. */
  constructor(methods: readonly string[]) {
    this.#methods = methods
  }

  /** Whether no further answer comes. */
  get isOver(): boolean {
    return this.ends || this.answers.length === this.#methods.length
  }

  /** Whether no answer is begun. */
  get isWhole(): boolean {
    return this.#bytes.length === 0
  }

  /** The bytes that are no complete answer. */
  get rest(): Buffer {
    return this.#bytes
  }

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    this.#read(false)
  }

  /** The connection has ended. */
  close(): void {
    this.#read(true)
  }

  #read(closed: boolean): void {
    while (!this.isOver) {
      const answer = answerIn(this.#bytes, this.#methods[this.answers.length] ?? '', closed)
      if (!answer) return
      const { status, contentType, body, end, ends } = answer
      this.answers.push({ status, contentType, body })
      this.#bytes = this.#bytes.subarray(end)
      this.ends = ends
    }
  }
}

/** Undefined while it is not complete. */
function answerIn(bytes: Buffer, method: string, closed: boolean): Parsed | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const head = bytes.subarray(0, headEnd).toString('latin1').toLowerCase()
  const status = Number(head.slice(9, 12))
  const contentType = /^content-type: *(.*)$/m.exec(head)?.[1] ?? ''
  const start = headEnd + HEAD_END.length
  const ends = /^connection: close/m.test(head)
  const answer = { status, contentType, body: '', end: start, ends }
  if (method === 'HEAD' || status === 204 || status === 304) return answer
  if (STREAMS.test(contentType)) return { ...answer, end: bytes.length, ends: true }
  const length = /^content-length: *(\d+)/m.exec(head)?.[1]
  if (length !== undefined) {
    const end = start + Number(length)
    return bytes.length < end ? undefined : { ...answer, body: bytes.toString('utf8', start, end), end }
  }
  if (/^transfer-encoding: chunked/m.test(head)) {
    const chunked = chunksIn(bytes, start)
    return chunked && { ...answer, ...chunked }
  }
  return closed
    ? { ...answer, body: bytes.toString('utf8', start), end: bytes.length, ends: true }
    : undefined
}

/** A chunked body (RFC 9112 section 7.1) without trailers. */
function chunksIn(bytes: Buffer, start: number): { body: string; end: number } | undefined {
  const pieces: Buffer[] = []
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    const end = line + 2 + size + 2
    if (bytes.length < end) return undefined
    if (size === 0) return { body: Buffer.concat(pieces).toString(), end }
    pieces.push(bytes.subarray(line + 2, line + 2 + size))
    at = end
  }
}
