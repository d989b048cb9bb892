import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'

const { duration, size } = await importConsole<{
  duration(ms: number): string
  size(bytes: number): string
}>('pieces/duration.ts')

t.test('durations have two parts at most', async t => {
  const cases = [
    [0, '0 ms'],
    [840.4, '840 ms'],
    [5_210, '5.2 s'],
    [59_999, '59.9 s'],
    [60_000, '1 min'],
    [72_000, '1 min 12 s'],
    [7_380_000, '2 h 3 min'],
    [367_200_000, '4 d 6 h'],
    [-1, '0 ms'],
    [Number.NaN, '0 ms'],
  ] as const

  t.strictSame(
    cases.map(([ms]) => duration(ms)),
    cases.map(([, text]) => text),
  )
})

t.test('sizes are rounded as people read them', async t => {
  const cases = [
    [0, '0 bytes'],
    [1, '1 byte'],
    [1_023, '1023 bytes'],
    [1_536, '1.5 KiB'],
    [96_320, '94 KiB'],
    [5 * 1024 ** 3, '5.0 GiB'],
  ] as const

  t.strictSame(
    cases.map(([bytes]) => size(bytes)),
    cases.map(([, text]) => text),
  )
})
