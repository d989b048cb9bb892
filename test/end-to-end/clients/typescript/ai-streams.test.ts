/** AI streams of clients/typescript while gateways and producers are killed: nothing is missing, and nothing comes twice. */
import { Chat } from '@ai-sdk/react'
import type { UIMessage } from 'ai'
import { createResumableStreamContext } from 'resumable-stream/generic'
import t, { type Test } from 'tap'
import { createChatTransport } from '../../../../clients/typescript/src/ai/chat-transport.js'
import { createResumableStore } from '../../../../clients/typescript/src/ai/resumable/resumable-store.js'
import { createClient } from '../../../../clients/typescript/src/client.js'
import { createDatabase } from '../../../harness/database.js'
import { patient, within } from '../../../harness/patience.js'
import { type GatewayProcess, type Program, startProcess, startProgram } from '../../../harness/process.js'
import { token } from '../../../harness/tokens.js'
import { until } from '../../../harness/until.js'
import { startApplication } from '../../../integration/clients/typescript/ai/chat-application.js'

const PATIENCE_MS = 60_000
const FAST = { credentials: token({ role: 'editor' }), retry: 20, max: 200, attempts: 1_000 }
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

t.test('pipe: two gateways and the producer are killed', { timeout: patient(180_000) }, async t => {
  const { url: databaseUrl } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const first = startProducer(t, gateway, 'pipe')
  const client = createClient({ url: gateway.url, ...FAST })
  const received: unknown[] = []
  await until('the stream is there', async () => {
    const { status } = await fetch(`${gateway.url}/v1/stream/numbers`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${FAST.credentials}` },
    })
    return status === 200
  })
  const feed = client.feed({ stream: 'numbers', types: ['chunk'], from: 'beginning', retry: 20, max: 200 })
  const following = feed.each(({ data }) => received.push(data.json))
  const restart = async () => {
    await gateway.kill()
    gateway = await startProcess(t, { databaseUrl, port: gateway.port })
  }

  await until('numbers arrive', () => received.length >= 20, PATIENCE_MS)
  await restart()
  await until('numbers arrive again', () => received.length >= 60, PATIENCE_MS)
  first.signal('SIGKILL')
  await first.ended()
  const second = startProducer(t, gateway, 'pipe')
  await until('the second producer writes', () => received.length >= 140, PATIENCE_MS)
  const before = received.length
  await restart()
  await until('numbers arrive after it', () => received.length >= before + 40, PATIENCE_MS)
  second.signal('SIGUSR2')
  const [result = ''] = await second.until(/\{.*\}/)
  await within(PATIENCE_MS, following, () => `${received.length} have arrived`)

  t.match(JSON.parse(result), { outcome: 'finished', stored: received.length })
  t.strictSame(received, numbers(received.length))
})

t.test('resumable-stream: the gateway is killed under a producer in another process', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const producer = startProducer(t, gateway, 'resumable')
  await producer.until(/created/)
  const store = createResumableStore({ url: gateway.url, ...FAST })
  const context = createResumableStreamContext({ waitUntil: null, ...store })
  let text = ''
  const read = async (stream: ReadableStream<string> | null | undefined) => {
    for await (const part of stream ?? []) text += part
  }

  const reading = read(await context.resumeExistingStream('numbers'))
  await until('lines arrive', () => text.split('\n').length > 20, PATIENCE_MS)
  await gateway.kill()
  const before = text.length
  gateway = await startProcess(t, { databaseUrl, port: gateway.port })
  await until('lines arrive again', () => text.length >= before + 200, PATIENCE_MS)
  producer.signal('SIGUSR2')
  await within(PATIENCE_MS, reading, () => `only ${text.length} characters`)
  await producer.ended()

  t.equal(
    text,
    numbers(text.split('\n').length - 1)
      .map(n => `${n}\n`)
      .join(''),
  )
  t.equal(await context.hasExistingStream('numbers'), 'DONE')
})

t.test('useChat: the gateway is killed in the middle of an answer', async t => {
  const { url: databaseUrl } = await createDatabase(t)
  let gateway = await startProcess(t, { databaseUrl })
  const application = await startApplication(t, gateway.url, FAST.credentials)
  const faults: unknown[] = []
  const transport = createChatTransport({ url: gateway.url, ...FAST, api: application.url })
  const chat = new Chat<UIMessage>({ id: 'a', transport, onError: error => faults.push(error) })
  const text = () =>
    chat.messages
      .at(-1)
      ?.parts.map(part => (part.type === 'text' ? part.text : ''))
      .join('')

  const sent = chat.sendMessage({ text: 'Count!' })
  for (let n = 0; n < 20; n++) application.say('a', `${n} `)
  await until('the first half is shown', () => text()?.endsWith('19 ') ?? false, PATIENCE_MS)
  await gateway.kill()
  for (let n = 20; n < 40; n++) application.say('a', `${n} `)
  application.finish('a')
  gateway = await startProcess(t, { databaseUrl, port: gateway.port })
  await within(PATIENCE_MS, sent, () => `shows ${text()}`)

  t.equal(
    text(),
    numbers(40)
      .map(n => `${n} `)
      .join(''),
  )
  t.strictSame([chat.status, faults], ['ready', []])
})

function startProducer(t: Test, { url }: GatewayProcess, kind: 'pipe' | 'resumable'): Program {
  const env = { KIND: kind, SLUICE_URL: url, SLUICE_TOKEN: FAST.credentials, STREAM: 'numbers' }
  return startProgram(t, { env, program: new URL('./ai-producer.js', import.meta.url).pathname })
}
