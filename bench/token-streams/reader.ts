/** The process of the readers: one HTTP connection for each stream, which checks that every token comes once and in order. */
import { Agent, get, type IncomingMessage } from 'node:http'
import { now, percentile, sorted } from '../statistics.js'
import { type ReaderWork, runWork, tell } from './work.js'

const DATA = 'data: '

runWork<ReaderWork>(async ({ urls, token, tokens, counted }) => {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
  const latencies: number[] = []
  const ends: Promise<void>[] = []
  for (const url of urls) {
    const response = await open(url, token, agent)
    ends.push(read(response, tokens, (n, at) => n >= counted && latencies.push((now() - at) / 1e6)))
  }
  tell({ name: 'ready' })
  await Promise.all(ends)
  const all = sorted(latencies)
  tell({ name: 'done', latencies: { p50: percentile(all, 50), p99: percentile(all, 99) } })
})

async function open(url: string, token: string, agent: Agent): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' }
    get(url, { agent, headers }, response => {
      if (response.statusCode === 200) resolve(response)
      else reject(new Error(`${url}: ${response.statusCode}`))
    }).on('error', reject)
  })
}

/** @returns when the response has ended, with all tokens. */
async function read(
  response: IncomingMessage,
  tokens: number,
  onToken: (n: number, at: number) => void,
): Promise<void> {
  let rest = ''
  let next = 0
  for await (const text of response.setEncoding('utf8')) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const line = block.split('\n').find(line => line.startsWith(DATA))
      const value = line && JSON.parse(line.slice(DATA.length))
      const delta = (value?.json ?? value)?.delta
      if (typeof delta !== 'string') continue
      const [n, at] = delta.split(' ').map(Number)
      if (n !== next) throw new Error(`Token ${n} has come where ${next} was due.`)
      next += 1
      onToken(n, at ?? 0)
    }
    if (next === tokens) return
  }
  throw new Error(`${next} of ${tokens} tokens have come.`)
}
