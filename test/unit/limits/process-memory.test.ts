import t from 'tap'
import {
  collectGarbage,
  heapLimitOf,
  memoryOf,
  ProcessMemory,
  residentBytes,
} from '../../../src/limits/process-memory.js'

const MIB = 1024 * 1024

t.test(
  'the heap limit is the one that Node was started with, else most of the limit that V8 reports',
  async t => {
    t.equal(heapLimitOf(144 * MIB, '--max-old-space-size=96'), 96 * MIB)
    t.equal(heapLimitOf(288 * MIB, '--inspect --max_old_space_size 96 --trace-gc'), 96 * MIB)
    t.equal(heapLimitOf(560 * MIB, '--max-old-space-size=96 --max-old-space-size=512'), 512 * MIB, 'the last')
    t.equal(heapLimitOf(1_000, ''), 900)
    t.equal(heapLimitOf(1_000, '--max-old-space-size=0'), 900)
  },
)

t.test('the limit is that of the container if there is one, else the memory of the machine', async t => {
  const unlimited = 2 ** 64

  t.equal(memoryOf(512 * MIB, 8_192 * MIB), 512 * MIB)
  t.equal(memoryOf(0, 8_192 * MIB), 8_192 * MIB)
  t.equal(memoryOf(unlimited, 8_192 * MIB), 8_192 * MIB)
})

t.test('held memory is counted in the heap or outside it until it is released', async t => {
  const memory = new ProcessMemory(1)
  const before = memory.read()

  const held = {
    objects: Array.from({ length: 400_000 }, (_, n) => ({ n, text: `number ${n}` })),
    bytes: Buffer.alloc(64 * MIB, 1),
  }
  collectGarbage()
  const full = memory.read()
  const count = held.objects.length + held.bytes.length
  held.objects = []
  held.bytes = Buffer.alloc(0)
  collectGarbage()
  const after = memory.read()

  t.equal(count, 400_000 + 64 * MIB)
  t.ok((full.heap - before.heap) * memory.heapLimit > 16 * MIB)
  t.ok(full.resident > before.resident)
  t.ok(after.heap < full.heap && after.resident < full.resident)
})

t.test('freed memory that stays resident does not count, nor does memory that was never touched', async t => {
  const start = { rss: 100, heapTotal: 40, external: 10 }

  t.equal(residentBytes({ rss: 400, heapTotal: 200, external: 150 }, start), 400, 'in use')
  t.equal(residentBytes({ rss: 400, heapTotal: 60, external: 20 }, start), 130, 'freed')
  t.equal(residentBytes({ rss: 120, heapTotal: 60, external: 500 }, start), 120, 'only asked for')
})

t.test('each of several processes gets its share of the memory', async t => {
  const [alone, one] = [new ProcessMemory(1).read(), new ProcessMemory(4).read()]

  t.ok(one.resident > 3 * alone.resident)
})
