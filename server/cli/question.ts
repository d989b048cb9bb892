/**
 * Questions at a terminal. The terminal is in raw mode from before the question until the answer is complete, so that it shows nothing
 * by itself; an answer that is no secret is echoed here.
 */
import type { ReadStream } from 'node:tty'
import { ExitCode, Failure } from './exit-code.js'
import type { Output } from './terminal.js'

const MAX_LENGTH = 8_192
const [CTRL_C, CTRL_D, CTRL_U] = ['\u0003', '\u0004', '\u0015']
const ENDS = ['\r', '\n', CTRL_D]
const DELETES = ['\b', '\u007f']

export interface Question {
  readonly text: string
  readonly isSecret: boolean
}

/** @throws {Failure} after Ctrl-C. */
export async function ask({ text, isSecret }: Question, input: ReadStream, err: Output): Promise<string> {
  input.setRawMode(true)
  input.setEncoding('utf8')
  try {
    await err.write(text)
    return await typedLine(input, isSecret ? () => undefined : echo => void err.write(echo))
  } finally {
    input.setRawMode(false)
    input.pause()
    await err.write('\n')
  }
}

function typedLine(input: ReadStream, echo: (text: string) => void): Promise<string> {
  let typed = ''
  return new Promise((resolve, reject) => {
    const finish = (rest: string, settle: () => void) => {
      input.off('data', read)
      input.off('end', end)
      input.pause()
      // Typed ahead: it belongs to the next question.
      if (rest !== '') input.unshift(rest, 'utf8')
      settle()
    }
    const end = () => finish('', () => resolve(typed))
    const read = (text: string) => {
      const characters = [...text]
      for (const [at, character] of characters.entries()) {
        const rest = characters.slice(at + 1).join('')
        if (ENDS.includes(character)) return finish(rest, () => resolve(typed))
        if (character === CTRL_C) {
          return finish('', () => reject(new Failure('Nothing was changed.', ExitCode.interrupted)))
        }
        if (character === CTRL_U || DELETES.includes(character)) {
          const removed = character === CTRL_U ? typed.length : Math.min(1, typed.length)
          typed = typed.slice(0, typed.length - removed)
          echo('\b \b'.repeat(removed))
        } else if (typed.length < MAX_LENGTH && character >= ' ') {
          typed += character
          echo(character)
        }
      }
      return undefined
    }
    input.on('data', read).on('end', end).resume()
  })
}
