// Puts a recipe under the contract of all clients (conformance/contract/README.md): `node adapter.mjs PROGRAM [ARGUMENT …]` starts the
// program once for each case, with its options in the environment.
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const [program, ...args] = process.argv.slice(2)
const say = message => process.stdout.write(`${JSON.stringify(message)}\n`)
const folder = mkdtempSync(join(tmpdir(), 'sluice-recipe-'))
const children = new Map()

say({ name: `${program} ${args.at(-1) ?? ''}`.trim(), without: ['comments', 'restart', 'delays', 'silence'] })
for await (const line of createInterface({ input: process.stdin })) {
  const { command, case: id, url, options } = JSON.parse(line)
  if (command === 'follow') follow(id, url, options)
  if (command === 'go') children.get(id)?.stdin.write('go\n')
  if (command === 'close') children.get(id)?.kill()
}
for (const child of children.values()) child.kill('SIGKILL')

function follow(
  id,
  url,
  { types, from, token, refresh = [], reload, hold, retry_ms, max_ms, last_event_id },
) {
  const target = new URL('/api/events', url)
  if (types) target.searchParams.set('types', types.join(','))
  if (from) target.searchParams.set('from', from)
  const cursorFile = join(folder, `${children.size}`)
  if (last_event_id) writeFileSync(cursorFile, last_event_id)
  const settings = {
    STREAM_URL: target.href,
    TOKENS: [token, ...refresh.map(each => each.token)].join(' '),
    CURSOR_FILE: cursorFile,
    ...(reload && { RELOAD: reload }),
    ...(hold && { HOLD: hold }),
    ...(retry_ms !== undefined && { RETRY_MS: `${retry_ms}` }),
    ...(max_ms !== undefined && { MAX_MS: `${max_ms}` }),
  }
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  children.set(id, child)
  child.stdin.on('error', () => {})
  let hasEnded = false
  createInterface({ input: child.stdout }).on('line', line => {
    const message = JSON.parse(line)
    hasEnded ||= message.saw === 'ended'
    say({ case: id, ...message })
  })
  child.once('close', () => hasEnded || say({ case: id, saw: 'ended', why: 'stopped' }))
}
