import t from 'tap'
import { Housekeeping } from '../../../src/process/periodic-loop.js'
import { until } from '../../harness/until.js'

function housekeeping(turn: () => unknown) {
  const lines: string[] = []
  const log = (level: string) => (_fields: object, text: string) => void lines.push(`${level}: ${text}`)
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  return { lines, work: new Housekeeping({ what: 'Counting', everyMs: 1, logger, turn }) }
}

const short = () => Object.assign(new Error('open'), { code: 'EMFILE' })

t.test(
  'turns that throw, at once or later, go on; the first is reported, and when it works again',
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
    const { lines, work } = housekeeping(() => outcomes[turns++]?.())

    for (const _ of outcomes) await work.run()

    t.strictSame(lines, [
      'warn: Counting failed; it is tried again until it works.',
      'info: Counting works again.',
      'error: Counting failed; it is tried again until it works.',
    ])
  },
)

t.test('it goes on by itself until it is stopped, whatever its turns throw', async t => {
  let turns = 0
  const { lines, work } = housekeeping(() => {
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
