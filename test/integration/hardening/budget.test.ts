/**
 * What a byte from outside may cost, by count: executed blocks of our files, of the packages below them and of the code that these
 * generate, and characters that the language's own functions look at for them. The cost of a byte does not grow with the text that
 * it is in.
 */
import t from 'tap'
import { startWorkCounter, type WorkCounter } from '../../harness/work-counter.js'

const SIZES = [1_024, 4 * 1_024, 16 * 1_024] as const
/** A request costs something by itself, which counts for little among so many bytes. */
const REQUEST_SIZES = [4 * 1_024, 16 * 1_024] as const
/** Of a byte, at any length; the mean of the texts of a length. */
const MOST_PER_BYTE = 64
/** The same in each text by itself. */
const MOST_PER_BYTE_OF_ONE = 200
/** From one length to the next, four times as long: quadratic work grows by 4. Less than LITTLE is not judged: limits make steps. */
const MOST_GROWTH = 2
const LITTLE = 12
/** Texts of which a reader may look at each part more than once. */
const UNITS = [
  'a',
  '"',
  '\\',
  '\\"',
  '{',
  '1',
  'a,',
  '*',
  '/',
  '%41',
  ' ',
  '\r',
  '\n',
  'a://:@',
  'a=;',
  'not ',
  '\u0001',
  'é',
  '😀',
  '"a",',
  'W/"a",',
  'slk_',
  'eyJ.',
  'data:\n',
  '\n\n',
]
const FOLDERS = [
  'src/',
  'plugins/',
  'routes/',
  'clients/typescript/src/',
  'test/integration/hardening/planted',
].map(folder => new URL(`../../../${folder}`, import.meta.url).href)
const PACKAGES = import.meta.resolve('fastify').replace(/(?<=\/node_modules\/).*/, '')

type Readers = Readonly<Record<string, (text: string) => unknown>>

const counter = startWorkCounter([...FOLDERS, PACKAGES])
t.teardown(() => counter.stop())

t.test('no byte from outside costs more than its share, however long its text is', async t => {
  // Loaded now: code that is loaded before the count begins is not counted.
  const { READERS } = await import('./outside-readers.js')

  const { faults, dearest } = await judged(READERS, counter)

  t.strictSame(faults, [])
  t.comment(`the dearest: ${dearest}`)
})

t.test('no byte of a request costs more than its share, wherever it is in it', async t => {
  const { requestReaders } = await import('./request-readers.js')

  const { faults, dearest } = await judged(await requestReaders(t), counter, REQUEST_SIZES)

  t.strictSame(faults, [])
  t.comment(`the dearest: ${dearest}`)
})

t.test('the count finds readers whose cost grows faster than their text', async t => {
  const { PLANTED } = await import('./planted-readers.js')

  const { faults } = await judged(PLANTED, counter)

  for (const name of Object.keys(PLANTED))
    t.ok(
      faults.some(fault => fault.startsWith(name)),
      name,
    )
})

async function judged(readers: Readers, { of }: WorkCounter, sizes: readonly number[] = SIZES) {
  const faults: string[] = []
  let dearest = { name: '', perByte: 0 }
  for (const [name, read] of Object.entries(readers)) {
    let before = Number.POSITIVE_INFINITY
    for (const size of sizes) {
      const texts = UNITS.map(unit => unit.repeat(Math.ceil(size / Buffer.byteLength(unit))))
      const work = await of(texts, read)
      const perByte = work / (size * texts.length)
      const shown = `${name}, ${size} bytes: ${perByte.toFixed(1)} for each`
      if (perByte > dearest.perByte) dearest = { name: shown, perByte }
      if (perByte > MOST_PER_BYTE || (perByte > LITTLE && perByte > before * MOST_GROWTH)) {
        faults.push(shown)
        break
      }
      before = perByte
      if (work <= MOST_PER_BYTE_OF_ONE * size) continue
      for (const text of await tooDear(texts, text => of(text, read), MOST_PER_BYTE_OF_ONE * size))
        faults.push(`${name}, ${size} bytes of ${JSON.stringify(text.slice(0, 6))}`)
    }
  }
  return { faults, dearest: dearest.name }
}

/** The texts that cost more than one may. If several together cost no more than that, none of them does. */
async function tooDear(
  texts: readonly string[],
  workOf: (texts: readonly string[]) => Promise<number>,
  most: number,
): Promise<readonly string[]> {
  if ((await workOf(texts)) <= most) return []
  if (texts.length === 1) return texts
  const half = Math.ceil(texts.length / 2)
  return [
    ...(await tooDear(texts.slice(0, half), workOf, most)),
    ...(await tooDear(texts.slice(half), workOf, most)),
  ]
}
