/** A client at work: what it has heard so far, whether it runs as a program or as a page in a browser. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import type { Client } from './client-lanes.js'

/** What a client hears: `<id> <type> <data>`, line ends in the data written as `\n`. */
export type Line = string

export interface Following {
  readonly name: string
  /** All lines so far. */
  lines(): Promise<readonly Line[]>
  /** What else it has said, to explain a failure. */
  remarks(): string
  /** Whether its program is over. */
  ended(): boolean
}

/** Starts a client's program. It ends by itself at the event that ends the story, else with the test. */
export function startClient(t: Test, { name, command }: Client, url: string, token: string): Following {
  const [program, ...args] = command
  const child = spawn(program, [...args, url, token], { stdio: ['ignore', 'pipe', 'pipe'] })
  // `close`, not `exit`: what it wrote last has arrived by then.
  let over = false
  const closed = once(child, 'close').then(() => {
    over = true
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const lines: Line[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    // Not by readline, to which U+2028 in the middle of a JSON text ends a line.
    const parts = text.split('\n')
    parts[0] = rest + parts[0]
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  let remarks = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    remarks = (remarks + text).slice(-2_000)
  })
  return { name, lines: async () => lines, remarks: () => remarks, ended: () => over }
}

/** A page that follows with the browser's own EventSource; `call` is an expression on `client`, the module's exports. */
export async function startPage(
  browser: Browser,
  { name, origin, call }: { name: string; origin: string; call: string },
): Promise<Following> {
  const page = await browser.newPage()
  const module = readFileSync(join(packageRoot, 'conformance/clients/javascript/browser.js'), 'utf8')
  await page.route(`${origin}/blank`, route =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
  )
  await page.route(`${origin}/browser.js`, route =>
    route.fulfill({ contentType: 'text/javascript', body: module }),
  )
  await page.goto(`${origin}/blank`)
  await page.evaluate(`(async () => {
    window.lines = []
    const hear = (id, type, data) => lines.push(id + ' ' + type + ' ' + data.replaceAll('\\n', '\\\\n'))
    const types = ['part.made', 'part.moved', 'story.end', 'reset', 'unavailable']
    const client = await import('/browser.js')
    await ${call}
  })()`)
  const lines: Line[] = []
  return {
    name,
    async lines() {
      lines.push(...(await page.evaluate<Line[]>(`lines.slice(${lines.length})`)))
      return lines
    },
    remarks: () => '',
    ended: () => false,
  }
}
