/** Questions at a terminal. */
import { createInterface } from 'node:readline/promises'
import type { ReadStream } from 'node:tty'
import { ExitCode, Failure } from './exit-code.js'
import type { Output } from './terminal.js'

const MAX_SECRET = 8_192
const [ENTER, LINE_FEED, CTRL_C, CTRL_D, CTRL_U, BACKSPACE, DELETE] = [
  '\r',
  '\n',
  '\u0003',
  '\u0004',
  '\u0015',
  '\b',
  '\u007f',
]

/** @param suggestion the answer if the person only presses Enter. */
export async function ask(question: string, suggestion: string, input: ReadStream): Promise<string> {
  const lines = createInterface({ input, output: process.stderr })
  try {
    const interrupted = new AbortController()
    lines.on('SIGINT', () => interrupted.abort())
    lines.on('close', () => interrupted.abort())
    const answer = await lines.question(`${question} [${suggestion}]: `, { signal: interrupted.signal })
    return answer.trim() || suggestion
  } catch {
    throw new Failure('\nNothing was changed.', ExitCode.interrupted)
  } finally {
    lines.close()
  }
}

/** Reads a line that the terminal does not show. */
export async function askHidden(question: string, input: ReadStream, err: Output): Promise<string> {
  await err.write(`${question}: `)
  input.setRawMode(true)
  input.setEncoding('utf8')
  try {
    let typed = ''
    for await (const chunk of input.iterator({ destroyOnReturn: false })) {
      for (const character of String(chunk)) {
        if (character === ENTER || character === LINE_FEED || character === CTRL_D) return typed
        if (character === CTRL_C) throw new Failure('Nothing was changed.', ExitCode.interrupted)
        if (character === CTRL_U) typed = ''
        else if (character === BACKSPACE || character === DELETE) typed = typed.slice(0, -1)
        else if (typed.length < MAX_SECRET) typed += character
      }
    }
    return typed
  } finally {
    input.setRawMode(false)
    input.pause()
    await err.write('\n')
  }
}
