/** The runner of the contract finds what a client does wrong, and survives an adapter that hangs, dies or talks. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Adapter } from '../../../conformance/contract/adapter.js'
import { readCases } from '../../../conformance/contract/case-files.js'
import { afterTicks } from '../../../conformance/contract/deadline.js'
import { type Played, playSuite } from '../../../conformance/contract/suite.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { patient } from '../../harness/patience.js'

const adapter = fileURLToPath(new URL('naive-adapter.js', import.meta.url))
const cases = readCases(join(packageRoot, 'conformance/contract/cases'))
/** Some that the naive client passes, and one for each way to fail. */
const CHOSEN =
  /^(fields\.(one-line|type|shared-chunk|two-events-in-one-chunk)|statuses\.204|comments\.shown|ends\.without-an-event)$/

// They mostly wait.
t.jobs = 8

t.test('a client fails the cases that it does not keep, each with what it did instead', async t => {
  const { name, without, results, leftOut } = await playNaive()

  t.equal(name, 'naive')
  t.strictSame(without, ['feed', 'comments'])
  t.strictSame(
    leftOut.map(({ id }) => id),
    ['comments.shown'],
  )
  t.strictSame(Object.fromEntries(results.map(({ id, faults }) => [id, faults])), {
    'ends.without-an-event': ['waits for {"event":{"data":"Hello"}}; saw nothing'],
    'fields.one-line': [],
    'fields.shared-chunk': [
      'expected {"event":{"data":"testtest"}}, saw {"saw":"event","id":"","type":"message","data":"test"}',
    ],
    'fields.two-events-in-one-chunk': [],
    'fields.type': [
      'expected {"event":{"type":"greeting","data":"Hello"}}, saw {"saw":"event","id":"","type":"message","data":"Hello"}',
    ],
    'statuses.204': ['waits for {"ended":{"why":"closed"}}; saw nothing'],
  })
})

t.test('a client that keeps its connection after its end fails', async t => {
  const { results } = await playNaive('stays', /^fields\.one-line$/)

  t.strictSame(results[0]?.faults, ['has ended, and keeps 1 connections open'])
})

t.test('an adapter that ends fails its open cases with its last words, and is started again', async t => {
  const { results, deaths } = await playNaive(
    'dies',
    /^(byte-order-mark\.inside|fields\.(one-line|two-events-in-one-chunk))$/,
  )

  t.strictSame(
    results.map(({ faults }) => faults),
    [[], ['the adapter has ended with status 3. It wrote:\nout of luck'], []],
  )
  t.strictSame(deaths, ['has ended with status 3. It wrote:\nout of luck'])
})

t.test(
  'an adapter that was started again gets no commands for cases that have failed with its last process',
  async t => {
    const dying = new Adapter([process.execPath, adapter, 'dies'], () => patient(1_000) / 1_000)
    t.teardown(() => dying.close())
    await dying.start()
    const follow = async (id: string) =>
      await new Promise<string>(resolve => {
        dying.follow(
          id,
          { observed: ({ saw }) => resolve(saw), failed: resolve },
          { url: 'http://127.0.0.1:9' },
        )
        if (id === 'third') for (const each of ['second', 'third']) dying.tell(each, 'close')
      })
    void follow('first')
    t.match(await follow('second'), /status 3/)

    t.equal(await follow('third'), 'ended')
  },
)

// A client in Go ended with this, and with it all cases that were open.
t.test('an adapter gets whole milliseconds, however long the runner waits', async t => {
  const some = cases.filter(({ id }) => /^silence\./.test(id))
  const { deaths } = await playSuite(some, [process.execPath, adapter], { jobs: 8, patience: () => 0.1234 })

  t.ok(some.length > 1)
  t.strictSame(deaths, [])
})

t.test('an adapter that writes something else fails its open cases', async t => {
  const { results } = await playNaive('talks', /^fields\.one-line$/)

  t.strictSame(results[0]?.faults, ['the adapter wrote a line that is no observation: Hello!'])
})

t.test('an adapter whose last process ends with a failure says so, though every case holds', async t => {
  const { results, deaths } = await playNaive('ill', /^fields\.one-line$/)

  t.strictSame(
    results.map(({ faults }) => faults),
    [[]],
  )
  t.strictSame(deaths, ['has ended with status 66. It wrote:\nWARNING: DATA RACE'])
})

t.test('a machine that stands still does not make a case too late', t => {
  const clock = t.capture(
    globalThis,
    'setTimeout',
    (act: (left: number) => void, ms: number, left: number) => {
      waits.push(ms)
      next = () => act(left)
    },
  )
  const waits: number[] = []
  let next: (() => void) | undefined
  let busy = 1
  let late = 0
  afterTicks(
    300,
    () => busy,
    () => {
      late += 1
    },
  )

  // However long each of them took by the clock.
  next?.()
  busy = 4
  next?.()
  next?.()

  t.equal(clock.args().length, 3)
  t.strictSame([late, waits], [1, [100, 100, 400]])
  t.end()
})

t.test('an adapter that does not introduce itself, or cannot be started, is an error', async t => {
  await t.rejects(playNaive('mute'), { message: 'The adapter does not introduce itself.' })
  await t.rejects(playSuite(cases, ['/nowhere/adapter'], {}), {
    message: 'The adapter cannot be started: spawn /nowhere/adapter ENOENT',
  })
})

t.test('every case says what it is about, in a sentence, and a client can fail it', async t => {
  t.ok(cases.length > 300)
  t.strictSame(
    cases.filter(({ about }) => !/^[A-Z].*\.$/.test(about)).map(({ id }) => id),
    [],
  )
  t.strictSame(
    cases.filter(({ see }) => see.length === 0).map(({ id }) => id),
    [],
  )
})

/** Less patience than usual: most of these cases fail because nothing comes. */
async function playNaive(fault = 'none', chosen = CHOSEN): Promise<Played> {
  const some = cases.filter(({ id }) => chosen.test(id))
  const jobs = fault === 'dies' ? 1 : 8
  return await playSuite(some, [process.execPath, adapter, fault], {
    jobs,
    patience: () => patient(400) / 1_000,
  })
}
