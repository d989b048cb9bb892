/** examples/ai-chat in Chromium: answers go on through reloads, in a second tab, and through the death of each process. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { accessFaults, openPage, withoutBrowser } from '../../harness/browser.js'
import { createDatabase } from '../../harness/database.js'
import { patient } from '../../harness/patience.js'
import { freePort } from '../../harness/port.js'
import { startProcess, startProgram } from '../../harness/process.js'
import { SECRET } from '../../harness/tokens.js'
import { until } from '../../harness/until.js'

const skip = withoutBrowser()
const folder = join(packageRoot, 'examples/ai-chat')

t.test('the example has correct types', async t => {
  const compiler = join(packageRoot, 'node_modules/typescript/bin/tsc')
  await t.resolves(promisify(execFile)(process.execPath, [compiler, '--project', folder]))
})

// Ids of messages come from the browsers.
t.test('the same id of a question in two chats is two questions', async t => {
  const { chat } = await startExample(t)
  const ask = async (id: string, text: string) => {
    const parts = [{ type: 'text', text }]
    const response = await fetch(`${chat.url}api/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, messages: [{ id: 'q', role: 'user', parts }] }),
    })
    return [response.status, await response.json()]
  }
  const [first, second] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222']

  t.match(await ask(first, 'One?'), [202, { stream: `ai-chat/${first}/answers/q` }])
  t.match(await ask(second, 'Two?'), [202, { stream: `ai-chat/${second}/answers/q` }])
})

t.test('an answer survives a reload, and a second tab shows all of it', { skip }, async t => {
  const { chat, ask } = await startExample(t)
  const { page } = await openPage(t)
  await page.goto(chat.url)
  await ask(page, 'Does a reload lose a token?')
  await hasWords(page, 20)

  await page.reload()
  const second = await page.context().newPage()
  await second.goto(page.url())
  await hasWords(second, 20)
  await isBeingWritten(page)

  await ended(page, 'finished')
  await ended(second, 'finished')
  const answer = chat.answerTo('Does a reload lose a token?')
  t.strictSame(await texts(page), ['Does a reload lose a token?', answer])
  t.strictSame(await texts(second), ['Does a reload lose a token?', answer])

  // A question in one tab appears in the other one, and both are as the log has it after a reload.
  await ask(second, 'And the other tab?')
  await ended(page, 'finished', 2)
  const all = [
    'Does a reload lose a token?',
    answer,
    'And the other tab?',
    chat.answerTo('And the other tab?'),
  ]
  t.strictSame(await texts(page), all)
  await page.reload()
  await ended(page, 'finished', 2)
  t.strictSame(await texts(page), all)
})

t.test('an answer goes on when the gateway is killed, and when its producer is', { skip }, async t => {
  const { chat, gateway, ask } = await startExample(t)
  const { page } = await openPage(t)
  await page.goto(chat.url)
  await ask(page, 'What of kill -9?')
  await hasWords(page, 15)

  await chat.kill()
  const held = await texts(page)
  await chat.start()
  await hasWords(page, 30)
  await gateway.kill()
  await page.locator('[role=status]', { hasText: 'Reconnecting' }).waitFor()
  await isBeingWritten(page)
  // What it has not been able to store dies with it.
  await chat.kill()
  await Promise.all([gateway.start(), chat.start()])
  await ended(page, 'finished')

  const all = ['What of kill -9?', chat.answerTo('What of kill -9?')]
  t.ok(all[1]?.startsWith(held[1] ?? '-'), 'the new producer has continued the old text')
  t.strictSame(await texts(page), all)
  await page.reload()
  await ended(page, 'finished')
  t.strictSame(await texts(page), all)
})

t.test('the stop button ends the answer at its producer, in each tab', { skip }, async t => {
  const { chat, ask } = await startExample(t)
  const { page } = await openPage(t)
  await page.goto(chat.url)
  await ask(page, 'Can I stop you?')
  const second = await page.context().newPage()
  await second.goto(page.url())
  await hasWords(second, 10)

  await second.getByRole('button', { name: 'Stop' }).click()
  await ended(page, 'stopped')
  await ended(second, 'stopped')

  const [, part = ''] = await texts(page)
  const whole = chat.answerTo('Can I stop you?')
  t.ok(part.length < whole.length && whole.startsWith(part), 'a part of the answer')
  t.strictSame(await texts(second), ['Can I stop you?', part])
  await page.reload()
  await ended(page, 'stopped')
  t.strictSame(await texts(page), ['Can I stop you?', part], 'nothing was written after it')
  await page.locator('small', { hasText: 'Stopped' }).waitFor()
})

t.test('the page can be used without a mouse and without sight', { skip }, async t => {
  const { chat, ask } = await startExample(t)
  const { page, errors } = await openPage(t)
  await page.goto(chat.url)
  await page.getByRole('heading', { name: 'Ask something' }).waitFor()

  t.strictSame(await accessFaults(page), [])
  await ask(page, 'Who reads this?')
  await hasWords(page, 5)
  t.strictSame(await accessFaults(page), [])
  t.strictSame(errors, [])
})

/** A gateway, and the example in front of it, each a process of its own. */
async function startExample(t: Test) {
  const { url: databaseUrl } = await createDatabase(t)
  const port = await freePort()
  const env = { CORS_ORIGINS: `http://127.0.0.1:${port}` }
  let gateway = await startProcess(t, { databaseUrl, env })
  const start = async () => {
    const program = startProgram(t, {
      program: join(folder, 'start.mjs'),
      env: { SLUICE_URL: gateway.url, JWT_SECRET: SECRET, PORT: `${port}`, TOKEN_MS: `${patient(20)}` },
    })
    await program.until(/^The chat is at http/m)
    return program
  }
  let program = await start()
  const { tokensOf } = await import(join(packageRoot, '.build/ai-chat/model.mjs'))
  return {
    gateway: {
      kill: () => gateway.kill(),
      async start() {
        gateway = await startProcess(t, { databaseUrl, env, port: gateway.port })
      },
    },
    chat: {
      url: `http://127.0.0.1:${port}/`,
      answerTo: (prompt: string): string => tokensOf(prompt).join(''),
      async kill() {
        program.signal('SIGKILL')
        await program.ended()
      },
      async start() {
        program = await start()
      },
    },
    async ask(page: Page, text: string) {
      await page.getByRole('textbox').fill(text)
      await page.getByRole('textbox').press('Enter')
    },
  }
}

/** The messages as they are shown. */
async function texts(page: Page): Promise<string[]> {
  return await page.locator('.text').allTextContents()
}

/** The newest answer has at least so many words. */
async function hasWords(page: Page, count: number): Promise<void> {
  const text = page.locator('.assistant:last-child .text')
  await text.waitFor()
  await until(
    `an answer of ${count} words`,
    async () => (await text.innerText()).split(/\s+/).length >= count,
  )
}

async function isBeingWritten(page: Page): Promise<void> {
  await page.locator('.assistant:last-child .caret').waitFor()
}

/** So many answers have ended, the last one so. */
async function ended(page: Page, ending: 'finished' | 'stopped', count = 1): Promise<void> {
  await page
    .locator('.assistant[data-ending]')
    .nth(count - 1)
    .and(page.locator(`[data-ending=${ending}]`))
    .waitFor()
  await page.locator('[data-status=ready]').waitFor()
}
