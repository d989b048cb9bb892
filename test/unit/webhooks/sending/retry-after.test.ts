import t from 'tap'
import { retryAfterMsIn } from '../../../../src/webhooks/sending/retry-after.js'

const NOW = Date.parse('2026-01-31T12:00:00Z')

t.test('Retry-After is read as seconds or as a date, and anything else is no wish', async t => {
  const expected: readonly (readonly [string | string[] | undefined, number | undefined])[] = [
    ['0', 0],
    ['120', 120_000],
    [' 5 ', 5_000],
    ['999999999', 999_999_999_000],
    ['Sat, 31 Jan 2026 12:00:30 GMT', 30_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    [['7', '8'], 7_000],
    [undefined, undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['9999999999', undefined],
    ['soon', undefined],
    ['2026-01-31T12:00:30Z', undefined],
    ['Sat, 99 Jan 2026 12:00:30 GMT', undefined],
    ['9'.repeat(1_000_000), undefined],
  ]

  t.strictSame(
    expected.map(([header]) => retryAfterMsIn(header, NOW)),
    expected.map(([, ms]) => ms),
  )
})
