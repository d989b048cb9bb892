import t from 'tap'
import { FairGate, isBusy } from '../../../src/database/fair-gate.js'
import { until } from '../../harness/until.js'

/** Works that end when the test says so. */
function startWorks(gate: FairGate) {
  const running: { workspace: string; end(): void }[] = []
  const begun: string[] = []
  const failed: unknown[] = []
  const start = (workspace: string, count = 1) => {
    for (let n = 0; n < count; n += 1) {
      gate
        .run(workspace, () => {
          begun.push(workspace)
          return new Promise<void>(end => running.push({ workspace, end }))
        })
        .catch(error => failed.push(error))
    }
  }
  const settled = () => new Promise(resolve => setImmediate(resolve))
  return {
    start,
    failed,
    settled,
    begun: () => begun.join(''),
    count: (workspace: string) => running.filter(one => one.workspace === workspace).length,
    async end(workspace: string) {
      const at = running.findIndex(one => one.workspace === workspace)
      running.splice(at, 1)[0]?.end()
      await settled()
    },
  }
}

t.test('one workspace never holds all connections, so another workspace need not wait', async t => {
  const works = startWorks(new FairGate(10))

  works.start('a', 500)
  t.equal(works.count('a'), 7)
  works.start('b', 2)

  t.equal(works.count('b'), 2, 'nine of ten: one is for what passes by')
})

t.test('a free connection goes to the workspace that holds the fewest, and then in turn', async t => {
  const works = startWorks(new FairGate(10))
  works.start('a', 500)
  works.start('b', 2)
  works.start('c', 50)
  works.start('d', 1)
  t.equal(works.begun(), 'aaaaaaabb')

  for (let n = 0; n < 6; n += 1) await works.end('a')
  t.equal(works.begun().slice(9), 'cdccaa')
  while (works.count('d') > 0) await works.end('d')
  while (works.count('b') > 0) await works.end('b')

  t.ok(Math.abs(works.count('a') - works.count('c')) <= 1, 'two that want all have half each')
})

t.test('a wait that is too long is refused, and takes no connection', async t => {
  const gate = new FairGate(2, 20)
  const works = startWorks(gate)
  works.start('a', 5)
  t.equal(works.count('a'), 1)

  await until('the refusals', () => works.failed.length >= 4)

  t.equal(works.failed.length, 4)
  t.ok(works.failed.every(isBusy))
  t.match(works.failed[0], { status: 503, code: 'database-busy', members: { retry_after: 2 } })
  await works.end('a')
  works.start('a')
  t.equal(works.count('a'), 1)
})

t.test('work that fails gives its connection back', async t => {
  const gate = new FairGate(2)

  for (let n = 0; n < 5; n += 1) {
    await t.rejects(
      gate.run('a', () => Promise.reject(new Error('no'))),
      /no/,
    )
  }

  t.equal(await gate.run('a', async () => 'done'), 'done')
})

t.test(
  'work whose client has gone leaves the line at once, with the reason, and takes no connection',
  async t => {
    const gate = new FairGate(2, 2_000)
    const works = startWorks(gate)
    works.start('a', 1)
    const gone = new AbortController()
    let begun = 0
    const wait = (signal: AbortSignal) => gate.run('a', async () => (begun += 1), signal)
    const waiting = [wait(gone.signal), wait(gone.signal)]
    const other = wait(new AbortController().signal)

    gone.abort(new Error('gone'))

    for (const one of waiting) await t.rejects(one, /^gone$/)
    await t.rejects(wait(gone.signal), /^gone$/)
    await works.end('a')
    t.equal(await other, 1)
    t.equal(begun, 1)
  },
)

t.test('work whose client leaves when it is its turn, before it begins, is left out', async t => {
  const gate = new FairGate(2, 2_000)
  const gone = new AbortController()
  let end = () => {}
  const held = new Promise<void>(resolve => {
    end = resolve
  })
  const first = gate.run('a', () => held)
  const late = gate.run('a', async () => t.fail('nobody waits for it'), gone.signal)
  // Behind the gate's own reaction, which lets the next one in.
  void held.then(() => gone.abort(new Error('gone')))
  end()

  await t.rejects(late, /^gone$/)
  await first
  t.equal(await gate.run('a', async () => 'done'), 'done')
})
