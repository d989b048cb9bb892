/** The programs of docs/webhooks.md, in Node, Python and Go, verify what the gateway sends and refuse what others send. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { MESSAGE_FORMS, type Message, requestOf } from '../../../src/webhooks/sending/message.js'
import type { Outcome } from '../../../src/webhooks/sending/outcome.js'
import { newSecret } from '../../../src/webhooks/sending/signature.js'
import { fences, read, section } from '../../harness/document.js'
import { patienceSignal } from '../../harness/patience.js'
import { freePort } from '../../harness/port.js'
import { testSender } from '../../harness/sender.js'
import { until } from '../../harness/until.js'
import { go, start, withoutGo } from '../clients/go/programs.js'

const BUILT = join(packageRoot, '.build/webhooks')
const PATIENCE_MS = 30_000
const PYTHON_LIBRARY =
  'standardwebhooks==1.1.0 --hash=sha256:9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61'
const GO_LIBRARY = 'github.com/standard-webhooks/standard-webhooks/libraries@v0.0.1'
const [secret, next, strange] = [newSecret(), newSecret(), newSecret()]

interface Language {
  readonly heading: string
  readonly missing: string | false
  /** Makes the program, and returns the command that runs it. */
  build(code: string, folder: string): Promise<readonly string[]>
}

const node = async (code: string, folder: string) => {
  await writeFile(join(folder, 'hook.mjs'), code)
  return [process.execPath, join(folder, 'hook.mjs')]
}

const LANGUAGES: readonly Language[] = [
  { heading: '### Node', missing: false, build: node },
  { heading: '### Without a library', missing: false, build: node },
  {
    heading: '### Python',
    missing:
      spawnSync('python3', ['-c', 'import ensurepip, venv']).status !== 0 &&
      'Python is missing (apt-get install python3-venv)',
    async build(code, folder) {
      const run = promisify(execFile)
      const python = join(folder, 'venv/bin/python')
      await run('python3', ['-m', 'venv', join(folder, 'venv')])
      await writeFile(join(folder, 'requirements.txt'), PYTHON_LIBRARY)
      await run(python, [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--require-hashes',
        '-r',
        join(folder, 'requirements.txt'),
      ])
      await writeFile(join(folder, 'hook.py'), code)
      return [python, join(folder, 'hook.py')]
    },
  },
  {
    heading: '### Go',
    missing: withoutGo(),
    async build(code, folder) {
      await writeFile(join(folder, 'go.mod'), 'module hook\n\ngo 1.23\n')
      await writeFile(join(folder, 'main.go'), code)
      await go(['get', GO_LIBRARY], folder)
      await go(['vet', '.'], folder)
      t.equal(await go(['gofmt', '-l', '.'], folder), '')
      await go(['build', '-o', 'hook', '.'], folder)
      return [join(folder, 'hook')]
    },
  },
]

const event: Message = {
  id: '7.n6lbt7',
  eventId: '6f9619ff-8b86-4011-b42d-00c04fc964ff',
  at: new Date(),
  type: 'order.placed',
  // As it was published: spaces, line ends, escapes, characters of several bytes.
  data: '{ "type": "inner",\n"n": 1.0, "e": "\\u00e4 ä 😀" }',
}

for (const { heading, missing, build } of LANGUAGES) {
  t.test(`${heading.slice(4)}: the program of the page`, { skip: missing }, async t => {
    const [code = ''] = fences(section(read('docs/webhooks.md'), heading))
      .filter(({ info }) => info !== '')
      .map(({ text }) => text)
    const folder = join(BUILT, heading.slice(4).replaceAll(' ', '-').toLowerCase())
    await mkdir(folder, { recursive: true })
    const [file = '', ...args] = await build(code, folder)
    const url = await startHook(t, file, args)
    const post = sendTo(t, url)

    const accepted = await Promise.all([
      ...MESSAGE_FORMS.map(form => post({ form })),
      post({ secrets: [next, secret] }),
      post({ secrets: [secret, next] }),
      post({ members: { data: `{"text":"${'ä'.repeat(120_000)}"}` } }),
      post({ agoSeconds: 200 }),
    ])
    const refused = await Promise.all([
      post({ secrets: [next] }),
      post({ secrets: [next, strange] }),
      post({ agoSeconds: 400 }),
      post({ agoSeconds: -400 }),
      post({ body: body => `${body} ` }),
      post({ headers: { 'webhook-id': 'another' } }),
      post({ headers: { 'webhook-timestamp': String(Math.floor(Date.now() / 1_000) + 1) } }),
      post({ headers: { 'webhook-signature': 'v1,' } }),
      post({ headers: { 'webhook-timestamp': 'soon' } }),
    ])

    t.strictSame(
      accepted.map(statusOf),
      accepted.map(() => 204),
    )
    t.strictSame(
      refused.map(statusOf),
      refused.map(() => 400),
    )
    if (heading === '### Without a library') {
      const attributes = JSON.stringify({ data_form: 'base64', datacontenttype: 'image/png' })
      const members = { attributes, data: '{"data_base64":"/9j/4AD+"}' }
      t.equal(statusOf(await post({ form: 'cloudevents-binary', members })), 204, 'bytes that are no text')
    }
  })
}

interface PostOptions {
  readonly form?: (typeof MESSAGE_FORMS)[number]
  readonly secrets?: readonly string[]
  readonly members?: Partial<Message>
  readonly agoSeconds?: number
  /** Changes the request after it was signed. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: (text: string) => string
}

/** As the gateway sends it, through its own sender. */
function sendTo(t: Test, url: string) {
  const sender = testSender(t, { breaker: { threshold: 100 } })
  return async ({
    form = 'standard',
    secrets = [secret],
    members,
    agoSeconds = 0,
    headers,
    body,
  }: PostOptions) => {
    const target = { id: 'w-1', workspace: 'a', stream: 'orders', url, form, headers: {}, secrets }
    const context = { attempt: 1, source: '/a/orders', now: Date.now() - agoSeconds * 1_000 }
    const request = requestOf(target, { ...event, ...members }, context)
    return await sender.send({
      ...request,
      headers: { ...request.headers, ...headers },
      body: body ? body(Buffer.from(request.body).toString()) : request.body,
    })
  }
}

function statusOf(outcome: Outcome): unknown {
  return outcome.kind === 'answered' ? outcome.status : outcome
}

async function startHook(t: Test, file: string, args: readonly string[]): Promise<string> {
  const port = await freePort()
  const program = start(t, file, { PORT: String(port), WEBHOOK_SECRET: secret }, args)
  const url = `http://127.0.0.1:${port}/`
  const answers = () =>
    fetch(url, { method: 'POST', body: '{}', signal: patienceSignal(PATIENCE_MS) }).then(
      () => true,
      () => program.ended(),
    )
  await until('the program listens', answers, PATIENCE_MS)
  t.notOk(program.ended(), program.log())
  return url
}
