/**
 * An adapter with faults, for the test of the runner. Its client takes each chunk for whole events, connects once, and looks at no status.
 * With the argument `dies` its process ends in the middle of the second case, with `mute` it says nothing, with `talks` it writes
 * a line that is no observation, with `stays` it keeps its connections after their end, and with `ill` it ends with a failure. A command for a case that it does not
 * follow ends it.
 */
import { get, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'

const [, , fault] = process.argv
const responses = new Map<string, IncomingMessage>()
const followed = new Set<string>()

if (fault !== 'mute') say({ name: 'naive', without: ['feed', 'comments'] })
for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line))
if (fault === 'ill') {
  console.error('WARNING: DATA RACE')
  process.exit(66)
}

interface Command {
  readonly command: string
  readonly case: string
  readonly url: string
  readonly options?: { readonly silence_ms?: number }
}

function obey({ command, case: id, url, options }: Command): void {
  if (!Number.isInteger(options?.silence_ms ?? 0)) {
    console.error('not a whole number of milliseconds')
    process.exit(5)
  }
  if (command === 'follow') follow(id, url)
  if (!followed.has(id)) process.exit(4)
  if (command === 'close') close(id)
}

function follow(id: string, url: string): void {
  followed.add(id)
  if (fault === 'dies' && followed.size === 2) {
    console.error('out of luck')
    process.exit(3)
  }
  if (fault === 'talks') console.log('Hello!')
  get(url, { headers: { accept: 'text/event-stream' } }, response => {
    responses.set(id, response)
    response.setEncoding('utf8').on('data', (chunk: string) => {
      for (const block of chunk.split('\n\n')) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1]
        if (data !== undefined) say({ case: id, saw: 'event', id: '', type: 'message', data })
      }
    })
    response.on('error', () => {})
  }).on('error', () => {})
}

function close(id: string): void {
  if (fault !== 'stays') responses.get(id)?.destroy()
  say({ case: id, saw: 'ended', why: 'stopped' })
}

function say(message: object): void {
  console.log(JSON.stringify(message))
}
