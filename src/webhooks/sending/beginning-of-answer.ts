/** The first bytes of an answer, as a text that can be stored and shown. */

const MAX_BYTES = 1_024

export class BeginningOfAnswer {
  readonly #chunks: Buffer[] = []
  #bytes = 0

  add(chunk: Buffer): void {
    const left = MAX_BYTES - this.#bytes
    if (left <= 0) return
    // A copy: the chunk is a view into a larger buffer.
    const kept = Buffer.from(chunk.subarray(0, left))
    this.#chunks.push(kept)
    this.#bytes += kept.length
  }

  /**
   * At most 1 KiB in UTF-8. Bytes that are no text are U+FFFD, and so is NUL, which Postgres cannot store. A character that the
   * limit cuts is left out.
   */
  text(): string {
    const text = new TextDecoder()
      .decode(Buffer.concat(this.#chunks), { stream: true })
      .replaceAll('\0', '\ufffd')
    const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_BYTES))
    return text.slice(0, read)
  }
}
