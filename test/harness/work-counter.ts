/**
 * Counts the work that code does, so that a test of its cost says the same on every machine: the executions of the blocks of some
 * compiled files (V8's precise block coverage), and the characters and bytes that the functions of the language look at or copy for
 * them, which have no blocks. Files that were loaded before the count began have no counters for their blocks.
 */
import { Session } from 'node:inspector'

export interface WorkCounter {
  /** The work of reading all the texts; an error that it throws is its answer, unless it is a TypeError. */
  of(texts: readonly string[], read: (text: string) => unknown): Promise<number>
  stop(): void
}

type Method = (this: unknown, ...given: unknown[]) => unknown
/** What a call costs, in characters or bytes. `from`: where a global expression began. */
type Cost = (
  self: { readonly length: number },
  given: readonly unknown[],
  result: unknown,
  from: number,
) => number

const whole: Cost = ({ length }) => length
/** Nothing for an ArrayBuffer, of which a Buffer is only a view. */
const first: Cost = (_, [given]) => Object(given).length ?? 0
const decoded: Cost = (_, [given]) => Object(given).byteLength ?? 0
const searched: Cost = ({ length }, [, from], found) =>
  (Number(found) < 0 ? length : Number(found) + 1) - (Number(from) || 0)
/** Of the functions that take a range of a buffer, whose places among their arguments are these. */
const ranged =
  (start: number, end: number): Cost =>
  ({ length }, given) =>
    (Number(given[end] ?? length) || 0) - (Number(given[start]) || 0)
/** All functions of expressions call it. A sticky one that finds nothing has looked at one place. */
const matched: Cost = (self, [text], found, from) => {
  const { sticky } = self as unknown as RegExp
  const { index, 0: match } = Object(found)
  if (typeof match === 'string') return index + match.length - from
  return sticky ? 1 : String(text).length - from
}
const joined: Cost = (_, [pieces]) =>
  (pieces as readonly Uint8Array[]).reduce((bytes, { length }) => bytes + length, 0)

const BUILT_IN: readonly (readonly [owner: object, name: string, cost: Cost])[] = [
  ...['replaceAll', 'split', 'toLowerCase', 'normalize'].map(
    name => [String.prototype, name, whole] as const,
  ),
  ...['indexOf', 'includes'].map(name => [String.prototype, name, searched] as const),
  [RegExp.prototype, 'exec', matched],
  [Buffer.prototype, 'toString', ranged(1, 2)],
  [Buffer.prototype, 'copy', ranged(2, 3)],
  ...['indexOf', 'includes'].map(name => [Buffer.prototype, name, searched] as const),
  [Buffer, 'concat', joined],
  [Buffer, 'from', first],
  [Uint8Array.prototype, 'set', first],
  [TextDecoder.prototype, 'decode', decoded],
  [JSON, 'parse', first],
]

/** @param folders addresses of the folders whose files are counted. */
export function startWorkCounter(folders: readonly string[]): WorkCounter {
  const session = new Session()
  session.connect()
  // Everything that an in-process session is asked is answered before `post` returns.
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const taken = () => {
    let blocks = 0
    session.post('Profiler.takePreciseCoverage', (error, { result } = { result: [] }) => {
      if (error) throw error
      for (const { url, functions } of result) {
        // Code that a package generates, such as the checks of a schema, has no address.
        if (url !== '' && !folders.some(folder => url.startsWith(folder))) continue
        for (const { ranges } of functions) for (const { count } of ranges) blocks += count
      }
    })
    return blocks
  }
  return {
    async of(texts, read) {
      const builtIn = countBuiltIn()
      taken()
      try {
        for (const text of texts) await answered(text, read)
      } finally {
        builtIn.stop()
      }
      return taken() + builtIn.count()
    },
    stop: () => session.disconnect(),
  }
}

async function answered(text: string, read: (text: string) => unknown): Promise<void> {
  try {
    await read(text)
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError) throw error
  }
}

function countBuiltIn() {
  let work = 0
  const originals = BUILT_IN.map(([owner, name, cost]) => {
    const original = Reflect.get(owner, name) as Method
    const counted: Method = function (...given) {
      const from = this instanceof RegExp && (this.global || this.sticky) ? this.lastIndex : 0
      const result = original.apply(this, given)
      work += cost(this as { length: number }, given, result, from)
      return result
    }
    Object.assign(owner, { [name]: counted })
    return { owner, name, original }
  })
  return {
    count: () => work,
    stop() {
      for (const { owner, name, original } of originals) Object.assign(owner, { [name]: original })
    },
  }
}
