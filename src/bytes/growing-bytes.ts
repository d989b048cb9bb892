/**
 * Concatenates bytes that arrive in pieces, in time linear in their number: the buffer doubles when it is full. A
 * list of the pieces would take a hundred bytes per piece, and a client may send pieces of one byte.
 */
const NOTHING = Buffer.alloc(0)
const FIRST_ROOM = 4 * 1024

export class GrowingBytes {
  #room: Buffer = NOTHING
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Keeps `piece` itself, and copies it when another one arrives. */
  add(piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#length === 0) this.#room = piece
    else {
      if (length > this.#room.length) this.#grow(Math.max(length, 2 * this.#room.length, FIRST_ROOM))
      piece.copy(this.#room, this.#length)
    }
    this.#length = length
  }

  /** All bytes so far; the buffer is empty afterwards. */
  take(): Buffer {
    const bytes = this.#room.subarray(0, this.#length)
    this.#room = NOTHING
    this.#length = 0
    return bytes
  }

  #grow(size: number): void {
    const room = Buffer.allocUnsafe(size)
    this.#room.copy(room, 0, 0, this.#length)
    this.#room = room
  }
}
