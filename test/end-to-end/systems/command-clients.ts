/**
 * The clients of remote commands, as they are documented. All of them take `error` and `complete` for the end of the command.
 * Two read lines of at most 64 KiB: a Go program, and the same reader in TypeScript, for machines without Go. The third is the
 * EventSource of a page.
 */
import { spawn, spawnSync } from 'node:child_process'
import { type ClientRequest, request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Page } from 'playwright-core'
import { packageRoot } from '../../../src/process/package-root.js'
import { as } from '../../harness/gateway.js'
import { token } from '../../harness/tokens.js'
import type { SystemClient } from './story.js'

const SOURCE = join(packageRoot, 'test/end-to-end/systems/line_reader.go')
const PROGRAM = join(packageRoot, '.build/systems/line_reader')
/** bufio.MaxScanTokenSize: the default limit of Go's bufio.Scanner. */
const MAX_TOKEN_BYTES = 64 * 1024
const RECONNECT_MS = 1_000
/** A longer line is compared by its length and its first character. */
const LONG = 1_000

/** What a client shows, in one text for each line of output, and its end. */
export class Shown {
  readonly seen: string[] = []
  ended = false
  #part = ''

  event(name: string, data: string): void {
    const { line, continues, ...rest } = Object(JSON.parse(data))
    if (name === 'output') {
      this.#part += line
      if (continues) return
      this.seen.push(shownLine(this.#part, rest.truncated))
      this.#part = ''
    } else if (name === 'complete' || name === 'error') {
      const { exit_code, duration_ms, ...why } = rest
      const ran = Number.isSafeInteger(duration_ms) ? 'in ms' : `in ${duration_ms}`
      this.seen.push(name === 'error' ? `error ${data}` : `exit ${exit_code} ${ran} ${JSON.stringify(why)}`)
      this.ended = true
    }
  }

  fails(why: string): void {
    this.seen.push(why)
    this.ended = true
  }
}

export function shownLine(line: string, truncated?: true): string {
  const text = line.length > LONG ? `${line.length} times ${JSON.stringify(line[0])}` : line
  return truncated ? `${text} (truncated)` : text
}

/** For `t.test(name, { skip: withoutGo() }, …)`: false if Go is there, else the reason. */
export function withoutGo(): string | false {
  return spawnSync('go', ['version']).status === 0 ? false : 'Go is not installed'
}

/** Compiles the Go program once. */
export function buildGoReader(): void {
  const { status, stderr } = spawnSync('go', ['build', '-o', PROGRAM, SOURCE], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

export function goReader(url: string): SystemClient {
  const shown = new Shown()
  const child = spawn(PROGRAM, [url, token()], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => (errors += text))
  createInterface(child.stdout).on('line', line => {
    const at = line.indexOf(' ')
    shown.event(line.slice(0, at), line.slice(at + 1))
  })
  child.on('close', () => shown.ended || shown.fails(`the program ended: ${errors}`))
  return {
    seen: shown.seen,
    get ended() {
      return shown.ended
    },
    close: () => child.kill('SIGKILL'),
  }
}

export function lineReader(url: string): SystemClient {
  const shown = new Shown()
  let open: ClientRequest | undefined
  let lastId = ''
  let closed = false
  const connect = () => {
    if (closed || shown.ended) return
    let rest: Buffer = Buffer.alloc(0)
    let [event, data, id] = ['', '', lastId]
    const take = (line: string) => {
      if (line.startsWith('id: ')) id = line.slice(4)
      else if (line.startsWith('event: ')) event = line.slice(7)
      else if (line.startsWith('data: ')) data = line.slice(6)
      else if (line === '') {
        if (data !== '' && !shown.ended) shown.event(event, data)
        ;[event, data, lastId] = ['', '', id]
      }
    }
    open = request(url, { headers: { ...as('viewer'), 'last-event-id': lastId }, agent: false }, response => {
      if (response.statusCode !== 200 && Number(response.statusCode) < 500)
        shown.fails(`${response.statusCode}`)
      response
        .on('error', () => {})
        .on('data', (bytes: Buffer) => {
          rest = Buffer.concat([rest, bytes])
          for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
            if (end >= MAX_TOKEN_BYTES) shown.fails('token too long')
            take(rest.subarray(0, end).toString())
            rest = rest.subarray(end + 1)
          }
        })
    })
    open.on('error', () => {}).on('close', () => setTimeout(connect, RECONNECT_MS))
    open.end()
  }
  connect()
  return {
    seen: shown.seen,
    get ended() {
      return shown.ended
    },
    close() {
      closed = true
      open?.destroy()
    },
  }
}

/** A page of the gateway's origin, in the browser that has started the command and has its cookie. */
export function pageClient(open: () => Promise<Page>, path: string): SystemClient {
  const shown = new Shown()
  const page = open()
  const follow = page.then(async page => {
    await page.exposeFunction('hear', (name: string, data: string) => shown.event(name, data))
    await page.evaluate(`
      const source = new EventSource(${JSON.stringify(path)})
      for (const name of ['output', 'complete', 'error']) {
        source.addEventListener(name, ({ data }) => {
          // A lost connection has no data; the EventSource reconnects by itself.
          if (data === undefined) return
          if (name !== 'output') source.close()
          hear(name, data)
        })
      }`)
  })
  follow.catch((error: Error) => shown.fails(error.message))
  return {
    seen: shown.seen,
    get ended() {
      return shown.ended
    },
    close: () => void page.then(page => page.close()).catch(() => {}),
  }
}
