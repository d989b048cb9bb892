/** clients/typescript/src/ai/chat-transport.ts under the `Chat` of @ai-sdk/react, with a gateway and an application. */
import { Chat } from '@ai-sdk/react'
import type { UIMessage } from 'ai'
import t, { type Test } from 'tap'
import { createChatTransport } from '../../../../../clients/typescript/src/ai/chat-transport.js'
import { startGateway } from '../../../../harness/gateway.js'
import { within } from '../../../../harness/patience.js'
import { token } from '../../../../harness/tokens.js'
import { until } from '../../../../harness/until.js'
import { type ChatApplication, startApplication } from './chat-application.js'

const PATIENCE_MS = 30_000

interface Tab {
  readonly chat: Chat<UIMessage>
  text(): string
  readonly faults: unknown[]
  readonly finished: { readonly isAbort: boolean; readonly isError: boolean }[]
}

interface Setting {
  readonly application: ChatApplication
  openTab(id: string, onFetch?: (url: string) => void): Tab
}

t.test('an answer arrives part by part, and ends with its finish part', async t => {
  const { application, openTab } = await setUp(t)
  const tab = openTab('a')

  const sent = tab.chat.sendMessage({ text: 'Hello?' })
  application.say('a', 'Good ')
  await until('the first part is shown', () => tab.text() === 'Good ', PATIENCE_MS)
  t.equal(tab.chat.status, 'streaming')
  application.say('a', 'morning')
  application.finish('a')
  await within(PATIENCE_MS, sent, () => `shows ${tab.text()}`)

  t.equal(tab.text(), 'Good morning')
  t.equal(tab.chat.status, 'ready')
  t.strictSame(
    tab.chat.messages.map(({ role }) => role),
    ['user', 'assistant'],
  )
  t.match(tab.finished, [{ isAbort: false, isError: false }])
  t.strictSame(tab.faults, [])
})

t.test('a second tab shows the answer from its beginning, and a chat without one shows nothing', async t => {
  const { application, openTab } = await setUp(t)
  const tab = openTab('a')
  const sent = tab.chat.sendMessage({ text: 'Hello?' })
  application.say('a', 'Good ')
  await until('the first part is shown', () => tab.text() === 'Good ', PATIENCE_MS)

  const second = openTab('a')
  const resumed = second.chat.resumeStream()
  await until('the second tab shows it too', () => second.text() === 'Good ', PATIENCE_MS)
  const empty = openTab('b')
  await empty.chat.resumeStream()
  application.say('a', 'morning')
  application.finish('a')
  await within(PATIENCE_MS, Promise.all([sent, resumed]), () => `shows ${second.text()}`)

  t.equal(second.text(), 'Good morning')
  t.equal(second.chat.messages.at(-1)?.id, tab.chat.messages.at(-1)?.id)
  t.strictSame([empty.chat.status, empty.chat.messages, second.faults], ['ready', [], []])
})

t.test('stop reaches the model, from the tab that has asked and from another one', async t => {
  const { application, openTab } = await setUp(t)
  for (const from of ['first', 'second']) {
    const tab = openTab(from)
    const sent = tab.chat.sendMessage({ text: 'Hello?' })
    application.say(from, 'Good ')
    await until('the first part is shown', () => tab.text() === 'Good ', PATIENCE_MS)
    const second = openTab(from)
    const resumed = second.chat.resumeStream()
    await until('the second tab shows it too', () => second.text() === 'Good ', PATIENCE_MS)

    await within(PATIENCE_MS, (from === 'first' ? tab : second).chat.stop(), () => 'stop waits')
    await until('the model stops', () => application.isAborted(from), PATIENCE_MS)
    await within(PATIENCE_MS, Promise.all([sent, resumed]), () => 'a tab goes on')
    await until('the answer is closed', () => !application.isUnderWay(from), PATIENCE_MS)

    t.strictSame([tab.chat.status, second.chat.status], ['ready', 'ready'])
    t.strictSame([tab.text(), second.text()], ['Good ', 'Good '])
  }
})

t.test('a stop before the route has answered cancels the answer that it then starts', async t => {
  const { application, openTab } = await setUp(t)
  let isAsked = false
  const tab = openTab('a', () => {
    isAsked = true
  })

  const sent = tab.chat.sendMessage({ text: 'Hello?' })
  await until('the route is asked', () => isAsked)
  await within(PATIENCE_MS, tab.chat.stop(), () => 'stop waits')
  await within(PATIENCE_MS, sent, () => 'the request goes on')
  await until('the model stops', () => application.isAborted('a'), PATIENCE_MS)
  await until('the answer is closed', () => !application.isUnderWay('a'), PATIENCE_MS)

  t.equal(tab.chat.status, 'ready')
  t.ok(application.requests.includes('POST /api/chat/a/stop'))
})

t.test('a further resume, as in strict mode, does not cancel the answer', async t => {
  const { application, openTab } = await setUp(t)
  const tab = openTab('a')
  const sent = tab.chat.sendMessage({ text: 'Hello?' })
  application.say('a', 'Good ')
  await until('the first part is shown', () => tab.text() === 'Good ', PATIENCE_MS)

  const second = openTab('a')
  const resumes = [second.chat.resumeStream(), second.chat.resumeStream()]
  await until('the second tab shows it', () => second.text() === 'Good ', PATIENCE_MS)
  resumes.push(second.chat.resumeStream())
  application.say('a', 'morning')
  application.finish('a')
  await within(PATIENCE_MS, Promise.all([sent, ...resumes]), () => `shows ${second.text()}`)

  t.strictSame([tab.text(), second.text()], ['Good morning', 'Good morning'])
  t.notOk(application.requests.includes('POST /api/chat/a/stop'))
})

async function setUp(t: Test): Promise<Setting> {
  const { url } = await startGateway(t)
  const application = await startApplication(t, url, token({ role: 'editor' }))
  return {
    application,
    openTab(id, onFetch) {
      const faults: unknown[] = []
      const finished: Tab['finished'] = []
      const transport = createChatTransport({
        url,
        credentials: token({ role: 'viewer' }),
        api: application.url,
        fetch: (input, init) => {
          onFetch?.(String(input))
          return fetch(input, init)
        },
      })
      const chat = new Chat<UIMessage>({
        id,
        transport,
        onError: error => faults.push(error),
        onFinish: end => finished.push(end),
      })
      t.teardown(() => chat.stop())
      return { chat, faults, finished, text: () => textOf(chat.messages.at(-1)) }
    },
  }
}

function textOf(message: UIMessage | undefined): string {
  if (message?.role !== 'assistant') return ''
  return message.parts.map(part => (part.type === 'text' ? part.text : '')).join('')
}
