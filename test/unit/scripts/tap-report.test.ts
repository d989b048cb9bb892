import t from 'tap'
import { TapReport } from '../../../scripts/tap-report.js'

const STREAM = `TAP version 14
1..3
# Subtest: test/good.test.js
    # Subtest: adds
        ok 1 - should be equal
        1..1
    ok 1 - adds # time=5.7ms
    
    ok 2 - in a browser # SKIP no Chromium
    1..2
    # time=28.9ms
ok 1 - test/good.test.js # time=1234.5ms

# Subtest: test/bad.test.js
    # Subtest: passes
        ok 1 - should be equal
        1..1
    ok 1 - passes # time=1ms
    
    # Subtest: fails
        ok 1 - should be equal
        not ok 2 - one is two
          ---
          diff: |
            -2
            +1
            ok 9 - not a result
          ...
        
        1..2
    not ok 2 - fails # time=15.7ms
      ---
      source: |
        t.test('fails')
      ...
    
    1..2
    # time=30ms
not ok 2 - test/bad.test.js # time=30ms
  ---
  exitCode: 1
  ...

# Subtest: test/broken.test.js
    1..0
not ok 3 - test/broken.test.js # time=400ms
  ---
  exitCode: 7
  ...
`

t.test('the report of a run has each file, the skipped tests, and the details of failures', async t => {
  const shown: string[] = []
  const report = new TapReport(line => shown.push(line))

  for (const line of STREAM.split('\n')) report.add(line)

  t.strictSame(shown, [
    'ok     test/good.test.js (1.2 s)',
    '       in a browser # SKIP no Chromium',
    'FAILED test/bad.test.js (0.0 s)',
    '    # Subtest: fails',
    '        not ok 2 - one is two',
    '          diff: |',
    '            -2',
    '            +1',
    '            ok 9 - not a result',
    '    not ok 2 - fails # time=15.7ms',
    'FAILED test/broken.test.js (0.4 s)',
    '  exitCode: 7',
  ])
  t.strictSame(report.counts, { passed: 3, failed: 2, skipped: 1 })
})

t.test('the report tells the seeds of each file, from the names of its tests and from comments', async t => {
  const shown: string[] = []
  const report = new TapReport(line => shown.push(line))
  const stream = `# Subtest: test/random.test.js
    ok 1 - holds for any input (SLUICE_SEED=4711) # time=5.7ms
    # Subtest: holds for a crowd (SLUICE_SEED=4711)
        # SLUICE_SEED=12
        1..0
    ok 2 - holds for a crowd (SLUICE_SEED=4711)
    1..2
ok 1 - test/random.test.js # time=1234.5ms
# Subtest: test/fixed.test.js
    1..0
ok 2 - test/fixed.test.js # time=100ms
`

  for (const line of stream.split('\n')) report.add(line)

  t.strictSame(shown, [
    'ok     test/random.test.js (1.2 s, SLUICE_SEED=4711, SLUICE_SEED=12)',
    'ok     test/fixed.test.js (0.1 s)',
  ])
})

t.test('the report of a truncated stream counts the tests until its end', async t => {
  const report = new TapReport(() => undefined)

  for (const line of STREAM.split('\n').slice(0, 20)) report.add(line)

  t.strictSame(report.counts, { passed: 2, failed: 0, skipped: 1 })
})

t.test('the report of many files has the ten slowest', async t => {
  const shown: string[] = []
  const report = new TapReport(line => shown.push(line))
  const run = (files: number) => {
    for (let n = 1; n <= files; n++) {
      report.add(`# Subtest: ${n}.test.js`)
      report.add(`ok ${n} - ${n}.test.js # time=${n * 1_000}ms`)
    }
  }

  run(10)
  report.showSlowest()
  t.equal(shown.length, 10, 'of few it does not')

  run(1)
  report.showSlowest()
  t.strictSame(
    [shown[11], shown[12], shown[21], shown.length],
    [
      'The 10 slowest of 11 files, which took 56 s in total:',
      '   10.0 s  10.test.js',
      '    1.0 s  1.test.js',
      22,
    ],
  )
})
