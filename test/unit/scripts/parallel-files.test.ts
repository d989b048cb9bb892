import t from 'tap'
import { inParallel } from '../../../scripts/parallel-files.js'
import { until } from '../../harness/until.js'

/** Files that run until the test ends them. */
function begin(count: number, limits: { least: number; most: number }) {
  const begun: number[] = []
  const ends: (() => void)[] = []
  const machine = { idle: 0, looks: 0 }
  const all = inParallel(
    Array.from({ length: count }, (_, n) => n),
    {
      ...limits,
      lookMs: 1,
      idleProcessors() {
        machine.looks += 1
        return machine.idle
      },
    },
    async file => {
      begun.push(file)
      await new Promise<void>(resolve => ends.push(resolve))
    },
  )
  /** Resolves when the machine was looked at ten more times. */
  const looked = async () => {
    const before = machine.looks
    await until('the machine was looked at', () => machine.looks >= before + 10)
  }
  return { all, begun, ends, machine, looked }
}

t.test('files are added one by one while processors are idle, up to a limit', async t => {
  const { all, begun, ends, machine, looked } = begin(9, { least: 2, most: 4 })

  await looked()
  t.strictSame(begun, [0, 1], 'two run on a busy machine')
  machine.idle = 0.5
  await looked()
  t.strictSame(begun, [0, 1, 2, 3], 'four on an idle one')
  machine.idle = 0
  ends[1]?.()
  ends[3]?.()
  await looked()
  t.strictSame(begun, [0, 1, 2, 3], 'two are enough again')
  ends[0]?.()
  await looked()
  t.strictSame(begun, [0, 1, 2, 3, 4], 'the next one replaces one of the two')

  for (let n = 0; n < 9; n += 1) {
    await until(`file ${n} runs`, () => ends[n] !== undefined)
    ends[n]?.()
  }
  await all
  t.strictSame(begun, [0, 1, 2, 3, 4, 5, 6, 7, 8])
})

t.test('a run ends with its last file, at its first fault, and at once without files', async t => {
  await inParallel([], { least: 1, most: 1 }, async () => {
    t.fail('there is no file')
  })

  const faulty = inParallel([1, 2], { least: 2, most: 2 }, async file => {
    if (file === 1) throw new Error('cannot be started')
    await new Promise(() => {})
  })

  await t.rejects(faulty, { message: 'cannot be started' })
})
