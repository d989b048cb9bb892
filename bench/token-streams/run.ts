/** One run of the bench `tokens`: a system, its producers and its readers, each a process of its own. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startBroker } from '../broker.js'
import { outputOf, start, stop } from '../child.js'
import { cpuSeconds } from '../process-usage.js'
import { startSubject } from '../subject.js'
import {
  type Latencies,
  type Message,
  type ProducerWork,
  type ReaderWork,
  type System,
  streamOf,
} from './work.js'

/** They compile the code of all processes, and are counted in no figure. */
const WARM_UP_SECONDS = 3
const PATIENCE_MS = 60_000

export interface Load {
  readonly streams: number
  /** Tokens a second of each stream. */
  readonly rate: number
  readonly seconds: number
}

/** CPU in seconds, of the counted tokens. */
export interface Run extends Latencies {
  readonly tokens: number
  /** The process that serves the readers. */
  readonly server: number
  readonly store: number
  readonly producers: number
  readonly readers: number
  readonly seconds: number
}

interface Served {
  /** Where producers write. */
  readonly url: string
  readonly token: string
  urlOf(stream: string): string
  serverCpu(): Promise<number>
  storeCpu(): Promise<number>
  close(): Promise<void>
}

export async function run(system: System, { streams, rate, seconds }: Load): Promise<Run> {
  const served = system === 'resumable-stream' ? await serveRedis() : await serveSluice()
  const { url, token } = served
  const tokens = Math.ceil((WARM_UP_SECONDS + seconds) * rate)
  const children: Worker[] = []
  try {
    const producers = new Worker('producer', {
      system,
      url,
      token,
      paced: { streams, rate, tokens },
    } satisfies ProducerWork)
    children.push(producers)
    await producers.heard('ready')
    const readers = new Worker('reader', {
      urls: Array.from({ length: streams }, (_, n) => served.urlOf(streamOf(n))),
      token,
      tokens,
      counted: WARM_UP_SECONDS * rate,
    } satisfies ReaderWork)
    children.push(readers)
    await readers.heard('ready')
    const cpu = async () => [
      await served.serverCpu(),
      await served.storeCpu(),
      await producers.cpu(),
      await readers.cpu(),
    ]
    const done = Promise.all([readers.heard('done'), producers.heard('done')])
    done.catch(() => {})
    producers.go()
    await Promise.race([pause(WARM_UP_SECONDS * 1_000), done])
    const [from, before] = [performance.now(), await cpu()]
    await Promise.race([pause(seconds * 1_000), done])
    const [to, after] = [performance.now(), await cpu()]
    const [{ latencies }] = await done
    const [server = 0, store = 0, produced = 0, read = 0] = after.map((value, n) => value - (before[n] ?? 0))
    return {
      p50: latencies?.p50 ?? Number.NaN,
      p99: latencies?.p99 ?? Number.NaN,
      tokens: (streams * rate * (to - from)) / 1_000,
      seconds: (to - from) / 1_000,
      server,
      store,
      producers: produced,
      readers: read,
    }
  } finally {
    await Promise.all(children.map(child => child.close()))
    await served.close()
  }
}

class Worker {
  readonly #child: ChildProcess
  readonly #heard = new Map<string, Message>()
  #look = () => {}

  constructor(file: 'producer' | 'reader', work: object) {
    const program = fileURLToPath(new URL(`./${file}.js`, import.meta.url))
    this.#child = start(process.execPath, [program, JSON.stringify(work)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message: Message) => {
      this.#heard.set(message.name, message)
      this.#look()
    })
  }

  async heard<Name extends Message['name']>(name: Name): Promise<Extract<Message, { name: Name }>> {
    return await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`A process is not ${name}.`)), PATIENCE_MS)
      const before = this.#look
      this.#look = () => {
        before()
        const [message, fault] = [this.#heard.get(name), this.#heard.get('fault')]
        if (!message && !fault) return
        clearTimeout(late)
        if (fault?.name === 'fault') reject(new Error(fault.reason))
        resolve(message as Extract<Message, { name: Name }>)
      }
      this.#look()
    })
  }

  go(): void {
    this.#child.send({ name: 'go' } satisfies Message)
  }

  async cpu(): Promise<number> {
    return await cpuSeconds(this.#child.pid ?? 0)
  }

  async close(): Promise<void> {
    await stop(this.#child, 'SIGKILL')
  }
}

async function serveSluice(): Promise<Served> {
  const subject = await startSubject()
  return {
    url: subject.url,
    token: subject.editor,
    urlOf: stream =>
      `${subject.url}/api/events?stream=${encodeURIComponent(stream)}&types=chunk&from=beginning`,
    serverCpu: subject.cpuSeconds,
    storeCpu: async () => (await subject.wholeCpuSeconds()) - (await subject.cpuSeconds()),
    close: subject.close,
  }
}

async function serveRedis(): Promise<Served> {
  const redis = await startBroker('redis')
  const url = redis.env.REDIS_URL ?? ''
  const app = start(process.execPath, [fileURLToPath(new URL('./app-server.js', import.meta.url)), url])
  const [origin = ''] = /http:\S+/.exec(await outputOf(app, 'http')) ?? []
  return {
    url,
    token: '',
    urlOf: stream => `${origin}/${stream}`,
    serverCpu: () => cpuSeconds(app.pid ?? 0),
    storeCpu: () => cpuSeconds(redis.pid),
    async close() {
      await stop(app, 'SIGKILL')
      await stop(redis.child, 'SIGKILL')
    },
  }
}
