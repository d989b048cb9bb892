/** The encodings of streams against the EventSource of Chromium, in responses that are cut at any byte. SLUICE_SEED repeats a run. */
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openPage, withoutBrowser } from '../../harness/browser.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { type Block, randomBlock, shown, TYPES } from '../../harness/random-blocks.js'
import { seedOfRun } from '../../harness/seed.js'

const BATCHES = byNight(5, 100)
const PER_STREAM = 4_000
const seed = seedOfRun()
const skip = withoutBrowser()

t.test(`Chromium gets every message of random inputs as it was (SLUICE_SEED=${seed})`, { skip }, async t => {
  const random = randomFrom(seed)
  const server = createServer()
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { page } = await openPage(t)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  serve(server, (_, response) => response.setHeader('content-type', 'text/html').end('<title>page</title>'))
  await page.goto(url)

  let messages = 0
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const blocks = Array.from({ length: PER_STREAM }, () => randomBlock(random))
    serve(server, (_, response) => send(response, blocks, random))
    const found = await page.evaluate(follow, [...TYPES, 'the-end'])

    let lastEventId = ''
    const expected = blocks.flatMap(({ id, messages }) => {
      lastEventId = id ?? lastEventId
      return messages.map(message => ({ ...message, lastEventId }))
    })
    const at = expected.findIndex(({ type, data, lastEventId }, at) => {
      const [ofType, itsData = '', itsId] = found[at] ?? []
      const isData = typeof data === 'string' ? data === itsData : data(itsData)
      return type !== ofType || itsId !== lastEventId || !isData
    })
    if (at >= 0 || found.length !== expected.length)
      throw new Error(`SLUICE_SEED=${seed}, batch ${batch}: ${shown([found.at(at), expected.at(at)])}`)
    messages += found.length
  }
  t.ok(messages > (BATCHES * PER_STREAM) / 2, `${messages} messages`)
})

function serve(server: Server, answer: (path: string, response: ServerResponse) => void): void {
  server.removeAllListeners('request')
  server.on('request', ({ url = '' }, response: ServerResponse) => answer(url, response))
}

async function send(response: ServerResponse, blocks: readonly Block[], random: Random): Promise<void> {
  response.setHeader('content-type', 'text/event-stream')
  const bytes = Buffer.concat([...blocks.map(block => block.bytes), Buffer.from('event: the-end\ndata\n\n')])
  for (let at = 0; at < bytes.length && !response.destroyed; ) {
    const length = 1 + random.integer(random.pick([1, 64, 4_096, 65_536]))
    if (!response.write(bytes.subarray(at, at + length))) await once(response, 'drain')
    at += length
  }
}

/** In the page: everything that the source dispatches until the end. */
function follow(types: readonly string[]): Promise<[type: string, data: string, lastEventId: string][]> {
  return new Promise(resolve => {
    const found: [string, string, string][] = []
    const source = new EventSource('/stream')
    for (const type of types) {
      source.addEventListener(type, event => {
        const { data, lastEventId } = event as Event & { data: string; lastEventId: string }
        if (type !== 'the-end') return void found.push([type, data, lastEventId])
        source.close()
        resolve(found)
      })
    }
  })
}
