/** The names of streams in paths: below the prefix of the dialect, percent-decoded once. */
import { STREAM_NAME_PATTERN } from '../log/event.js'
import { Problem } from '../problems/problem.js'

const STREAM_NAME = new RegExp(STREAM_NAME_PATTERN)

/** @throws {Problem} 400 for a text that cannot be the name of a stream. */
export function assertStreamName(name: string): void {
  const isPlain = name.split('/').every(part => part !== '' && part !== '.' && part !== '..')
  if (isPlain && STREAM_NAME.test(name)) return
  throw new Problem(
    400,
    'invalid-request',
    'The path below the prefix is the name of a stream: a letter or digit and up to 127 characters of A-Z a-z 0-9 . _ : / -, without empty parts and without `.` and `..` as parts.',
  )
}

/**
 * The name of the stream at a path of this gateway.
 * @param base the prefix of the dialect, with that of the gateway.
 * @throws {Problem} 400 for another path.
 */
export function nameAt(path: string, base: string): string {
  const name = path.startsWith(`${base}/`) ? decoded(path.slice(base.length + 1)) : undefined
  if (name === undefined)
    throw new Problem(400, 'invalid-request', `The path of a stream here begins with ${base}/.`)
  assertStreamName(name)
  return name
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
