/** The file of `sluice key import`: a JSON array, or one JSON object a line. */
import { createReadStream } from 'node:fs'
import { textOf } from '../../src/bytes/utf8.js'
import { Problem } from '../../src/problems/problem.js'

const MAX_BYTES = 8 * 1024 * 1024
const MAX_ENTRIES = 10_000
const STANDARD_INPUT = '-'

export interface FileEntry {
  /** Where it is, for messages: `entry 3`, `line 3`. */
  readonly place: string
  /** Undefined if the line is not JSON. */
  readonly value: unknown
}

/** @throws {Error} for a file that cannot be read, is too large, or is not of either form. */
export async function readEntries(file: string): Promise<FileEntry[]> {
  const text = decoded(await readBytes(file).catch(error => unreadable(file, error))).trim()
  const entries = text.startsWith('[') ? arrayIn(text) : linesIn(text)
  if (entries.length === 0) throw new Error('The file holds no key.')
  if (entries.length > MAX_ENTRIES) {
    throw new Error(`The file holds ${entries.length} keys. Import at most ${MAX_ENTRIES} at a time.`)
  }
  return entries
}

async function readBytes(file: string): Promise<Buffer> {
  const source = file === STANDARD_INPUT ? process.stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > MAX_BYTES) throw new Error(`The file is larger than ${MAX_BYTES} bytes. Divide it.`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

function unreadable(file: string, error: unknown): never {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  throw code === undefined ? error : new Error(`The file ${file} cannot be read (${code}).`)
}

function decoded(bytes: Buffer): string {
  try {
    return textOf(bytes, 'The file')
  } catch (error) {
    throw new Error(error instanceof Problem ? error.detail : String(error))
  }
}

function arrayIn(text: string): FileEntry[] {
  const value = parsed(text)
  if (!Array.isArray(value)) throw new Error('The file begins with [, but is not a JSON array.')
  return value.map((value, at) => ({ place: `entry ${at + 1}`, value }))
}

function linesIn(text: string): FileEntry[] {
  return text
    .split('\n')
    .map((line, at) => ({ place: `line ${at + 1}`, line }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ place, line }) => ({ place, value: parsed(line) }))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
