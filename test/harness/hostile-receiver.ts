/**
 * A receiver of webhooks on loopback that fails in every way that senders meet. It keeps each request, and an observer hears when one
 * arrives and is accepted.
 */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

const ELSEWHERE = '/elsewhere'
const HUGE_BYTES = 100 * 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'x')
const SLOW_MS = 200
const TRICKLE_MS = 20

type Act = (response: ServerResponse, accepted: () => void) => unknown

/** What it does with a request that it has read. Those that accept answer 2xx. */
const ACTS = {
  accept: accepting(response => response.writeHead(200).end('ok')),
  'accept without content': accepting(response => response.writeHead(204).end()),
  'accept with 100 MB': accepting(response => fill(response.writeHead(200))),
  'accept slowly': (response, accepted) => {
    const timer = setTimeout(() => ACTS.accept(response, accepted), SLOW_MS)
    response.once('close', () => clearTimeout(timer))
  },
  'fail with 500': response => response.writeHead(500).end('out of order'),
  'fail with 100 MB': response => fill(response.writeHead(500)),
  'ask for a pause': response => response.writeHead(429, { 'retry-after': '1' }).end(),
  'ask for a pause in words': response => response.writeHead(503, { 'retry-after': 'soon' }).end(),
  redirect: response => response.writeHead(302, { location: ELSEWHERE }).end(),
  'be gone': response => response.writeHead(410).end(),
  drop: response => response.socket?.end(),
  reset: response => response.socket?.resetAndDestroy(),
  'stall before the headers': () => undefined,
  'stall in the body': response => begin(response),
  'trickle the body': response => {
    begin(response)
    again(response, () => response.write('x'))
  },
  'hint without end': response =>
    again(response, () => response.writeEarlyHints({ link: '</style.css>; rel=preload' })),
  'close half way': response => {
    begin(response)
    response.socket?.end()
  },
  'reset half way': response => begin(response, () => response.socket?.resetAndDestroy()),
  'answer no HTTP': response => response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'answer headers without end': response => {
    response.socket?.write('HTTP/1.1 200 OK\r\n')
    again(response, () => response.socket?.write(`x-more: ${'y'.repeat(4_096)}\r\n`))
  },
} satisfies Record<string, Act>

export type Behaviour = keyof typeof ACTS
export const BEHAVIOURS = Object.keys(ACTS) as readonly Behaviour[]

export interface ReceivedRequest {
  /** The path of the URL, which names the endpoint. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly behaviour: Behaviour
  /** Whether the answer is 2xx. */
  readonly isAccepted: boolean
}

/** Called with each request of a path. @returns a function that is called just before the request is answered with 2xx. */
export type Observer = (request: Pick<ReceivedRequest, 'headers' | 'body'>) => () => void

export interface HostileReceiver {
  readonly url: string
  /** In the order of arrival. */
  readonly received: readonly ReceivedRequest[]
  /**
   * What it does with requests of this path from now on: `accept` if nothing else was said.
   * @param choose gets the number of requests of the path before this one.
   * @param observer requests wait for it. Default: nobody observes them.
   */
  behave(path: string, choose: (before: number) => Behaviour, observer?: Promise<Observer>): void
  /** The largest number of requests of this path that were open at once. */
  mostOpen(path: string): number
}

interface Path {
  choose: (before: number) => Behaviour
  observer: Promise<Observer> | undefined
  requests: number
  open: number
  mostOpen: number
}

const UNKNOWN: Path = {
  choose: () => 'accept',
  observer: undefined,
  requests: 0,
  open: 0,
  mostOpen: 0,
}

export async function startHostileReceiver(t: Pick<Test, 'teardown'>): Promise<HostileReceiver> {
  const received: ReceivedRequest[] = []
  const paths = new Map<string, Path>()
  const pathOf = (name: string): Path => {
    const path = paths.get(name) ?? { ...UNKNOWN }
    paths.set(name, path)
    return path
  }
  const server = createServer(async (request, response) => {
    const name = request.url ?? ''
    const body = await text(request).catch(() => undefined)
    // The sender has left in the middle of its request.
    if (body === undefined) return
    const path = pathOf(name)
    path.open += 1
    path.mostOpen = Math.max(path.mostOpen, path.open)
    response.once('close', () => {
      path.open -= 1
    })
    const behaviour = path.choose(path.requests)
    path.requests += 1
    const { headers } = request
    const entry: ReceivedRequest = { path: name, headers, body, behaviour, isAccepted: false }
    received.push(entry)
    const accepted = (await path.observer)?.(entry)
    ACTS[behaviour](response, () => {
      Object.assign(entry, { isAccepted: true })
      accepted?.()
    })
  })
  server.on('clientError', () => undefined)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    behave(name, choose, observer) {
      Object.assign(pathOf(name), { choose, observer })
    },
    mostOpen: name => pathOf(name).mostOpen,
  }
}

function accepting(answer: (response: ServerResponse) => unknown): Act {
  return (response, accepted) => {
    accepted()
    answer(response)
  }
}

/** The headers and the beginning of a longer body. */
function begin(response: ServerResponse, then?: () => void): void {
  response.writeHead(200, { 'content-length': HUGE_BYTES }).write('half', then)
}

/** As much as the sender reads. */
function fill(response: ServerResponse): void {
  let left = HUGE_BYTES
  const more = () => {
    if (response.destroyed) return
    left -= CHUNK.length
    if (left > 0) response.write(CHUNK, more)
    else response.end(CHUNK)
  }
  more()
}

function again(response: ServerResponse, act: () => void): void {
  const timer = setInterval(act, TRICKLE_MS)
  response.once('close', () => clearInterval(timer))
}
