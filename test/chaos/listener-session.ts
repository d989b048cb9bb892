/**
 * What a run does to the session of a gateway's listener, between it and Postgres: statements of somebody else, and notifications that
 * do not arrive. It sees whole messages (PostgreSQL manual, Message Formats: a type of one byte, then the length of all but that byte).
 */

/** In the message that opens a session. */
const LISTENER = Buffer.from('application_name\0sluice listen\0')
const NOTIFICATION = 'A'.charCodeAt(0)
const READY = 'Z'.charCodeAt(0)

/** Whether this is the first message of a listener. */
export function opensListener(bytes: Buffer): boolean {
  return bytes.includes(LISTENER)
}

export class ListenerSession {
  dropsNotifications = false
  /** Statements whose answers the client must not see. */
  #foreign = 0
  #rest: Buffer = Buffer.alloc(0)

  /** A statement that the server runs for the client, which does not know of it. @returns what the server must get. */
  statement(sql: string): Buffer {
    this.#foreign += 1
    const text = Buffer.from(`Q\0\0\0\0${sql}\0`)
    text.writeInt32BE(text.length - 1, 1)
    return text
  }

  /** @param bytes of the server. @returns what the client gets of them. */
  filter(bytes: Buffer): Buffer {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const passed: Buffer[] = []
    while (this.#rest.length >= 5) {
      const length = this.#rest.readInt32BE(1) + 1
      if (this.#rest.length < length) break
      const message = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      if (this.#passes(message)) passed.push(message)
    }
    return Buffer.concat(passed)
  }

  /** The client sends no statement meanwhile that would be answered first: a listener is idle but for its canaries. */
  #passes(message: Buffer): boolean {
    if (message[0] === NOTIFICATION) return !this.dropsNotifications
    if (this.#foreign === 0) return true
    if (message[0] === READY) {
      this.#foreign -= 1
      return false
    }
    return !message.includes('UNLISTEN')
  }
}
