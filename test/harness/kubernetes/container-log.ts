/**
 * The log of one container as a kubelet keeps and serves it (kubernetes/pkg/kubelet, cri-client/pkg/logs): entries with a time, in
 * files of which only the newest is served; a long line as several entries, of which only the first gets a time in the answer; a
 * `sinceTime` in whole seconds, because the API server passes it on so.
 */
import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'

/** Of one entry. */
const LONGEST = 16 * 1024

interface Entry {
  readonly time: string
  readonly text: Buffer
}

export class ContainerLog {
  readonly #events = new EventEmitter().setMaxListeners(0)
  #files: Entry[][] = [[]]
  readonly #open = new Map<string, Buffer>()
  #ended = false

  /** @param output stdout or stderr: each has lines of its own, and both go into the one log. */
  write(output: string, chunk: Buffer): void {
    let rest = Buffer.concat([this.#open.get(output) ?? Buffer.alloc(0), chunk])
    for (;;) {
      const lf = rest.indexOf('\n')
      const length = lf >= 0 && lf < LONGEST ? lf + 1 : LONGEST
      if (rest.length < length || (lf < 0 && rest.length < LONGEST)) break
      this.#add(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    this.#open.set(output, rest)
  }

  /** Entries so far. */
  get length(): number {
    return this.#files.flat().length
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  end(): void {
    for (const rest of this.#open.values()) if (rest.length > 0) this.#add(rest)
    this.#ended = true
    this.#events.emit('more')
  }

  /** The node begins another file. */
  rotate(): void {
    this.#files.push([])
  }

  #add(text: Buffer): void {
    // Whole milliseconds, so that many lines have the same time.
    this.#files.at(-1)?.push({ time: new Date().toISOString().replace('Z', '000000Z'), text })
    this.#events.emit('more')
  }

  /** @param cutAfter bytes after which the connection is cut. */
  async serve(query: URLSearchParams, response: ServerResponse, cutAfter: number): Promise<void> {
    const since = Date.parse(query.get('sinceTime') ?? '') || 0
    const [follow, times] = [query.get('follow') === 'true', query.get('timestamps') === 'true']
    let left = cutAfter
    let file = this.#files.length - 1
    let isNewLine = true
    let next = 0
    const closed = new AbortController()
    response.on('close', () => closed.abort())
    response.flushHeaders()
    while (!closed.signal.aborted) {
      const entry = this.#files[file]?.[next]
      if (!entry) {
        if (file < this.#files.length - 1) [file, next] = [file + 1, 0]
        else if (!follow || this.#ended) break
        else await once(this.#events, 'more', { signal: closed.signal }).catch(() => undefined)
        continue
      }
      next += 1
      const text = Buffer.concat([Buffer.from(isNewLine && times ? `${entry.time} ` : ''), entry.text])
      isNewLine = entry.text.at(-1) === 0x0a
      if (Date.parse(entry.time) < since) continue
      const cut = left < text.length
      const room = response.write(cut ? text.subarray(0, left) : text)
      left -= text.length
      if (cut) {
        await new Promise(resolve => setImmediate(resolve))
        response.destroy()
        return
      }
      if (!room) await once(response, 'drain', { signal: closed.signal }).catch(() => undefined)
    }
    response.end()
  }
}
