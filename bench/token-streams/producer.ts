/** The process of the producers: `pipe` of sluice-client, or `createNewResumableStream`, once for each stream. */
import { Redis } from 'iovalkey'
import { createResumableStreamContext } from 'resumable-stream/generic'
import { startPipe } from '../../clients/typescript/src/ai/pipe.js'
import { Gateway } from '../../clients/typescript/src/requests.js'
import { PacedSources, type Token } from './paced.js'
import { type ProducerWork, runWork, streamOf, tell } from './work.js'

runWork<ProducerWork>(async ({ system, url, token, paced }, go) => {
  const sources = new PacedSources(paced)
  const begin =
    system === 'resumable-stream' ? resumable(url) : piping(url, token, system === 'Sluice' ? 20 : 100)
  const ends: Promise<unknown>[] = []
  for (let n = 0; n < paced.streams; n += 1) ends.push((await begin(streamOf(n), sources.of(n))).done)
  tell({ name: 'ready' })
  await go
  sources.start()
  await Promise.all(ends)
  tell({ name: 'done' })
})

type Begin = (stream: string, source: AsyncIterable<Token>) => Promise<{ readonly done: Promise<unknown> }>

function piping(url: string, token: string, maxDelayMs: number): Begin {
  const gateway = new Gateway({ url, credentials: token })
  return async (stream, source) => await startPipe(gateway, source, { stream, maxDelayMs })
}

function resumable(url: string): Begin {
  const context = createResumableStreamContext({
    waitUntil: null,
    publisher: new Redis(url),
    subscriber: new Redis(url),
  })
  return async (stream, source) => {
    const created = await context.createNewResumableStream(stream, () => textOf(source))
    // The client that has asked; here nobody needs it.
    const drain = async () => {
      for await (const _ of created ?? []);
    }
    return { done: drain() }
  }
}

/** A stream in the form in which the AI SDK gives it to resumable-stream. */
function textOf(source: AsyncIterable<Token>): ReadableStream<string> {
  const parts = source[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next()
      if (done) controller.close()
      else controller.enqueue(`data: ${JSON.stringify(value)}\n\n`)
    },
  })
}
