/** JSON as an argument: the text itself, `@FILE`, or `-` for standard input. */
import { readFile, stat } from 'node:fs/promises'
import { textOf, withoutByteOrderMark } from '../../src/bytes/utf8.js'
import { Problem } from '../../src/problems/problem.js'
import { UsageError } from '../../src/process/usage.js'

/** The gateway takes bodies of 1 MiB. */
const MAX_BYTES = 1024 * 1024

/** The text that an argument stands for. @throws {UsageError} if it cannot be read, or is too large. */
export async function readArgument(given: string, name: string): Promise<string> {
  if (given !== '-' && !given.startsWith('@')) return given
  const source = given === '-' ? 'standard input' : given.slice(1)
  try {
    return withoutByteOrderMark(textOf(given === '-' ? await readInput() : await readSmall(source), source))
  } catch (error) {
    const reason =
      error instanceof Problem ? error.detail : error instanceof Error ? error.message : String(error)
    throw new UsageError(`${name}: ${reason}`)
  }
}

async function readInput(): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of process.stdin) {
    pieces.push(Buffer.from(piece))
    length += piece.length
    if (length > MAX_BYTES) throw new Error(`standard input has more than ${MAX_BYTES} bytes.`)
  }
  return Buffer.concat(pieces)
}

async function readSmall(path: string): Promise<Buffer> {
  if ((await stat(path)).size > MAX_BYTES) throw new Error(`${path} has more than ${MAX_BYTES} bytes.`)
  return await readFile(path)
}

/** @throws {UsageError} if it is not a JSON object. */
export function jsonObject(text: string, name: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${error instanceof Error ? error.message : String(error)}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${name} must be a JSON object, such as {"door":7}.`)
  }
  return Object.fromEntries(Object.entries(value))
}
