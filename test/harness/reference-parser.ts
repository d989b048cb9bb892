/**
 * A parser of event streams written from the text of the standard, clause by clause and byte by byte (WHATWG HTML §9.2.6): slow, and
 * without anything of our own encoder or of another parser. Tests hold the encoder to it.
 */

export interface DispatchedMessage {
  readonly type: string
  readonly data: string
  /** The last event id of the source when it dispatched the message. */
  readonly lastEventId: string
}

const LF = 0x0a
const CR = 0x0d
const WITHOUT_MARK = new TextDecoder()
const AS_IT_IS = new TextDecoder('utf-8', { ignoreBOM: true })

export class ReferenceParser {
  readonly messages: DispatchedMessage[] = []
  /** Every reconnection time that was set, in milliseconds. */
  readonly retries: number[] = []
  /** The last event id of the source, which it would send when it reconnects. */
  lastEventId = ''

  #line: number[] = []
  #isFirstLine = true
  #afterCarriageReturn = false
  #data = ''
  #type = ''
  #idBuffer = ''

  /** The next bytes of the response. */
  feed(bytes: Uint8Array): void {
    for (const byte of bytes) {
      const isSecondOfPair = byte === LF && this.#afterCarriageReturn
      this.#afterCarriageReturn = byte === CR
      if (isSecondOfPair) continue
      if (byte === LF || byte === CR) this.#endLine()
      else this.#line.push(byte)
    }
  }

  #endLine(): void {
    // UTF-8 decode: one leading byte order mark of the stream is removed, and none elsewhere. Line ends are never part of a character.
    const decoder = this.#isFirstLine ? WITHOUT_MARK : AS_IT_IS
    const line = decoder.decode(Uint8Array.from(this.#line))
    this.#isFirstLine = false
    this.#line = []
    this.#process(line)
  }

  #process(line: string): void {
    const colon = line.indexOf(':')
    if (line === '') this.#dispatch()
    else if (colon < 0) this.#field(line, '')
    else if (colon > 0) {
      const value = line.slice(colon + 1)
      this.#field(line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value)
    }
  }

  #field(name: string, value: string): void {
    if (name === 'event') this.#type = value
    else if (name === 'data') this.#data += `${value}\n`
    else if (name === 'id' && !value.includes('\0')) this.#idBuffer = value
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retries.push(Number.parseInt(value, 10))
  }

  #dispatch(): void {
    this.lastEventId = this.#idBuffer
    if (this.#data !== '') {
      this.messages.push({
        type: this.#type === '' ? 'message' : this.#type,
        data: this.#data.endsWith('\n') ? this.#data.slice(0, -1) : this.#data,
        lastEventId: this.lastEventId,
      })
    }
    this.#data = ''
    this.#type = ''
  }
}
