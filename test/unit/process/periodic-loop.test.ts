import t from 'tap'
import { PeriodicLoop } from '../../../src/process/periodic-loop.js'
import { until } from '../../harness/until.js'

function periodicLoop(turn: () => unknown) {
  const lines: string[] = []
  const log = (level: string) => (_fields: object, text: string) => void lines.push(`${level}: ${text}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  return { lines, work: new PeriodicLoop({ name: 'Counting', everyMs: 1, logger, turn }) }
}

const short = () => Object.assign(new Error('open'), { code: 'EMFILE' })

t.test(
  'the loop goes on after turns that throw; the first failure and the recovery are reported',
  async t => {
    const outcomes = [
      () => undefined,
      () => {
        throw short()
      },
      () => Promise.reject(short()),
      () => undefined,
      () => Promise.reject(new Error('a fault of ours')),
    ]
    let turns = 0
    const { lines, work } = periodicLoop(() => outcomes[turns++]?.())

    for (const _ of outcomes) await work.run()

    t.strictSame(lines, [
      'warn: Counting failed; retrying until it succeeds.',
      'info: Counting works again.',
      'error: Counting failed; retrying until it succeeds.',
    ])
  },
)

t.test('the loop goes on until it is stopped, whatever its turns throw', async t => {
  let turns = 0
  const { lines, work } = periodicLoop(() => {
    turns += 1
    throw short()
  })

  work.start().start()
  await until('some turns', () => turns > 3)
  work.stop()
  work.stop()

  const last = turns
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(turns, last)
  t.equal(lines.length, 1)
})

t.test('a turn never overlaps another one, and closing waits for it', async t => {
  let [running, most] = [0, 0]
  let finish = () => {}
  const { work } = periodicLoop(async () => {
    running += 1
    most = Math.max(most, running)
    await new Promise<void>(resolve => {
      finish = resolve
    })
    running -= 1
  })

  work.start()
  await until('a turn', () => running === 1)
  const joined = work.run()
  const closed = work.close()
  finish()
  await Promise.all([joined, closed])

  t.strictSame([running, most], [0, 1])
})
