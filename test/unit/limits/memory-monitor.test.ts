import t from 'tap'
import { MemoryMonitor } from '../../../src/limits/memory-monitor.js'
import type { MemoryReading } from '../../../src/limits/process-memory.js'

const CHECK_MS = 250

interface Line {
  readonly level: 'info' | 'warn'
  readonly text: string
}

/** A monitor of a memory that is as full as the test sets it, and a record of its actions. */
function guarded() {
  const done = { sheds: 0, collections: 0, lines: [] as Line[] }
  const memory = { now: 1_000_000, heap: 0, resident: 0, garbage: 0, pauseMs: 10 }
  const log = (level: Line['level']) => (_fields: object, text: string) =>
    void done.lines.push({ level, text })
  const monitor = new MemoryMonitor({
    read: () => ({ heap: memory.heap + memory.garbage, resident: memory.resident }),
    collect() {
      done.collections += 1
      memory.garbage = 0
      return memory.pauseMs
    },
    shed() {
      done.sheds += 1
    },
    logger: { ...silent, info: log('info'), warn: log('warn') },
  })
  /** As many checks in a row; what is used stays. */
  const check = (used: Partial<MemoryReading & { garbage: number }> = {}, times = 1) => {
    Object.assign(memory, used)
    for (let time = 0; time < times; time += 1) {
      memory.now += CHECK_MS
      monitor.check(memory.now)
    }
    return monitor.state
  }
  return { monitor, memory, done, check }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

t.test('resident memory counts in full, and each state ends at a lower figure than it begins', async t => {
  const { monitor, done, check } = guarded()
  const steps = [0.5, 0.64, 0.65, 0.56, 0.74, 0.75, 0.66, 0.74, 0.64, 0.74, 0.54, 0.64]

  const states = steps.map(resident => check({ resident }))

  t.strictSame(states, [
    'ample',
    'ample',
    'tight',
    'tight',
    'tight',
    'low',
    'low',
    'low',
    'tight',
    'tight',
    'ample',
    'ample',
  ])
  t.equal(monitor.fullness, 0.64)
  t.strictSame(done.lines, [
    { level: 'warn', text: 'Memory is low: new streams and bodies are refused.' },
    { level: 'info', text: 'Memory is no longer low.' },
  ])
})

t.test('garbage in the heap before each collection causes no refusal', async t => {
  const { done, check } = guarded()
  const states = new Set<string>()

  // V8 lets a heap fill half of the way to its limit.
  for (let round = 0; round < 20; round += 1) {
    for (const garbage of [0, 0.08, 0.16, 0.24]) states.add(check({ heap: 0.5, garbage }))
  }

  t.strictSame([...states], ['ample'], 'in use: half of it')
  t.strictSame(done, { sheds: 0, collections: 0, lines: [] })
})

t.test('a heap that is full after a collection, or fills without one, causes refusals', async t => {
  const collected = guarded()
  collected.check({ heap: 0.76, garbage: 0.05 })
  const filled = guarded()

  t.equal(collected.monitor.state, 'tight', 'it may be garbage')
  t.equal(collected.check({ garbage: 0 }), 'low', 'it is not')
  t.equal(filled.check({ heap: 0.84 }), 'tight')
  t.equal(filled.check({ heap: 0.86 }), 'low')
})

t.test(
  'while memory is low the monitor forces a collection, and leaves that state once the heap is lower',
  async t => {
    const { done, check, memory } = guarded()
    check({ heap: 0.8, garbage: 0.02 })
    check({ garbage: 0 })

    // All have left, and nothing new comes that would make V8 collect.
    const still = check({ heap: 0.3, garbage: 0.5 }, 19)
    const asked = done.collections
    check()
    const then = check()

    t.strictSame([still, asked], ['low', 0])
    t.strictSame([then, done.collections, memory.garbage], ['ample', 1, 0])
  },
)

t.test('collections take a twentieth of the time at most', async t => {
  const { done, check, memory } = guarded()
  memory.pauseMs = 1_000

  check({ heap: 0.9 }, 60_000 / CHECK_MS)

  t.ok(done.collections >= 2 && done.collections <= 4, `${done.collections} of a second each, in a minute`)
})

t.test('caches are dropped when memory gets tight, when it gets low, and at intervals after', async t => {
  const { done, check } = guarded()
  const after = (resident: number, times = 1) => {
    check({ resident }, times)
    return done.sheds
  }

  t.equal(after(0.6, 100), 0)
  t.equal(after(0.7), 1)
  t.equal(after(0.7, 10), 1)
  t.equal(after(0.8), 2)
  t.equal(after(0.8, 40), 4, 'every five seconds')
  t.equal(after(0.5, 100), 4)
})

t.test('requests are refused only while memory is low, with a retry time', async t => {
  const { monitor, check } = guarded()
  check({ resident: 0.7 })
  monitor.assertRoom()

  check({ resident: 0.9 })

  t.throws(() => monitor.assertRoom(), { status: 503, code: 'memory-low', members: { retry_after: 5 } })
})
