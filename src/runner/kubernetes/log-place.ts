/**
 * The place in the log of a container up to which its output has been passed on. The log can be read again from a second on, not
 * from a byte: every line begins with the time at which the node wrote it. So a reader that continues gets lines that it has seen,
 * and this finds the first byte that it has not: in the last line that it saw, recognised by its time, and among lines of the same
 * time by their number.
 *
 * If that line is gone because the node has begun another file of the log, the first newer line is next and `isTorn` says that lines
 * may be missing.
 *
 * The cost is linear in the number of bytes, even if they arrive one by one.
 */
const LF = 0x0a
const SPACE = 0x20
/** The longest time that Kubernetes writes has 35 characters. */
const LONGEST_TIME = 40
/** RFC 3339, as the kubelet writes it. */
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

interface Time {
  readonly second: number
  readonly nanosecond: number
}

export class LogPlace {
  /** The time of the last line that has begun. */
  #time: Time | undefined
  /** The lines of this time so far, in a row. */
  #lines = 0
  /** The bytes of the last of them that have been passed on. */
  #bytes = 0
  #latest: Time | undefined
  #isTorn = false

  // The members below belong to the current read.
  #isSeeking = false
  /** Lines with the time of the last one. */
  #found = 0
  /** The bytes still to be left out of the last line. */
  #skip = 0
  /** The start of a line that may be its time; undefined within a line. */
  #head: number[] | undefined = []

  /** From where the log must be read: a time of RFC 3339, or undefined for its beginning. */
  get since(): string | undefined {
    return this.#time && new Date(this.#time.second).toISOString()
  }

  /** Whether the current read has not reached the place yet: its line, and in it the first byte that was not passed on. */
  get isSeeking(): boolean {
    return this.#isSeeking || this.#skip > 0
  }

  /** Whether lines may be missing, found since the last call of `begin`. */
  get isTorn(): boolean {
    return this.#isTorn
  }

  /** To be called before a read that begins at `since`. */
  begin(): void {
    this.#isSeeking = this.#time !== undefined
    this.#isTorn = false
    this.#found = 0
    this.#skip = 0
    this.#head = []
  }

  /** @returns the new bytes of the output in this part of the log, without times. */
  push(chunk: Buffer): Buffer[] {
    const fresh: Buffer[] = []
    for (let at = 0; at < chunk.length; ) {
      if (this.#head !== undefined) {
        const byte = chunk[at] ?? 0
        const isOver = byte === SPACE || byte === LF || this.#head.length === LONGEST_TIME
        if (!isOver) this.#head.push(byte)
        if (!isOver || byte === SPACE) at += 1
        if (isOver) this.#beginLine(Buffer.from(this.#head), byte === SPACE, fresh)
        continue
      }
      const lf = chunk.indexOf(LF, at)
      const end = lf < 0 ? chunk.length : lf + 1
      this.#pass(chunk.subarray(at, end), fresh)
      at = end
      if (lf >= 0) this.#head = []
    }
    return fresh
  }

  #beginLine(head: Buffer, hasSpace: boolean, fresh: Buffer[]): void {
    this.#head = undefined
    const time = hasSpace ? timeOf(head.toString('latin1')) : undefined
    if (!time) {
      // The rest of a line whose beginning is older than `since`, or a message of the kubelet.
      this.#pass(hasSpace ? Buffer.concat([head, Buffer.of(SPACE)]) : head, fresh)
      return
    }
    this.#skip = 0
    if (this.#isSeeking) {
      if (compare(time, this.#time) === 0) this.#found += 1
      const isHere = this.#found === this.#lines
      const isBeyond = !isHere && compare(time, this.#latest) > 0
      if (!isHere && !isBeyond) return
      this.#isSeeking = false
      if (isHere) {
        this.#skip = this.#bytes
        return
      }
      this.#isTorn = true
    }
    this.#lines = compare(time, this.#time) === 0 ? this.#lines + 1 : 1
    this.#time = time
    this.#bytes = 0
    if (compare(time, this.#latest) > 0) this.#latest = time
  }

  #pass(bytes: Buffer, fresh: Buffer[]): void {
    if (this.#isSeeking) return
    const skipped = Math.min(this.#skip, bytes.length)
    this.#skip -= skipped
    if (skipped === bytes.length) return
    this.#bytes += bytes.length - skipped
    fresh.push(bytes.subarray(skipped))
  }
}

function timeOf(text: string): Time | undefined {
  const [, seconds, fraction = '', zone] = TIME.exec(text) ?? []
  const second = Date.parse(`${seconds}${zone}`)
  return Number.isNaN(second) ? undefined : { second, nanosecond: Number(fraction.padEnd(9, '0')) }
}

function compare(one: Time, other: Time | undefined): number {
  if (!other) return 1
  return one.second - other.second || one.nanosecond - other.nanosecond
}
