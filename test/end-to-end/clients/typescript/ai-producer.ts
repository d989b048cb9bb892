/** A producer of AI streams as a process of its own: it writes numbers until SIGUSR2, so that a test ends it, or kills it in the middle. */
import { setTimeout as delay } from 'node:timers/promises'
import { createResumableStreamContext } from 'resumable-stream/generic'
import { pipe, type SourceStart } from '../../../../clients/typescript/src/ai/answers.js'
import { createResumableStore } from '../../../../clients/typescript/src/ai/resumable/resumable-store.js'

const { KIND, SLUICE_URL = '', SLUICE_TOKEN, STREAM = '' } = process.env
const PACE_MS = 5
const FAST = { url: SLUICE_URL, credentials: SLUICE_TOKEN, retry: 20, max: 200, attempts: 1_000 }
let isOver = false
process.on('SIGUSR2', () => {
  isOver = true
})

async function* numbers({ stored }: Pick<SourceStart, 'stored'>): AsyncGenerator<number> {
  for (let n = stored.length; !isOver; n++) {
    yield n
    await delay(PACE_MS)
  }
}

if (KIND === 'pipe') {
  const result = await pipe(numbers, { ...FAST, stream: STREAM, resume: true })
  console.log(JSON.stringify(result))
} else {
  const context = createResumableStreamContext({ waitUntil: null, ...createResumableStore(FAST) })
  const stream = await context.createNewResumableStream(STREAM, () => ReadableStream.from(lines()))
  console.log('created')
  const reader = stream?.getReader()
  while (!(await reader?.read())?.done);
  console.log('read')
}

async function* lines(): AsyncGenerator<string> {
  for await (const n of numbers({ stored: [] })) yield `${n}\n`
}
