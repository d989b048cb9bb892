import { pino } from 'pino'
import t, { type Test } from 'tap'
import { RequestLog } from '../../../src/logging/request-log.js'

/** A logger whose lines are kept, and the number of children that were made of it. */
function kept(level: string) {
  const lines: unknown[] = []
  const made = { children: 0 }
  const onChild = () => {
    made.children += 1
  }
  const parent = pino(
    { level, base: null, timestamp: false, onChild },
    { write: text => lines.push(JSON.parse(text)) },
  )
  return { parent, lines, made }
}

t.test('each line names the request, and the first one makes the child of the logger', async t => {
  const { parent, lines, made } = kept('info')
  const log = new RequestLog(parent, { reqId: 'r-1' })
  t.equal(made.children, 0)

  log.info({ a: 1 }, 'first %s', 'line')
  log.error('second')

  t.strictSame(lines, [
    { level: 30, reqId: 'r-1', a: 1, msg: 'first line' },
    { level: 50, reqId: 'r-1', msg: 'second' },
  ])
  t.equal(made.children, 1)
})

t.test('a line that is not written costs no child', async t => {
  const { parent, lines, made } = kept('warn')
  const log = new RequestLog(parent, { reqId: 'r-1' })

  log.info('hidden')
  log.debug('hidden')

  t.strictSame(
    { lines, children: made.children, info: log.isLevelEnabled('info') },
    { lines: [], children: 0, info: false },
  )
})

t.test('the level of a route replaces that of its logger', async (t: Test) => {
  const { parent, lines, made } = kept('info')
  const quiet = new RequestLog(parent, { reqId: 'r-1' }, 'warn')

  quiet.info('hidden')
  t.equal(made.children, 0)
  quiet.warn('shown')
  quiet.info('hidden too')

  t.strictSame(lines, [{ level: 40, reqId: 'r-1', msg: 'shown' }])
  t.equal(quiet.level, 'warn')
  const loud = new RequestLog(parent, { reqId: 'r-2' }, 'debug')
  loud.debug('more')
  t.match(lines.at(-1), { level: 20, reqId: 'r-2', msg: 'more' })
})

t.test('children of it, and a level set on it, are those of its own child', async t => {
  const { parent, lines } = kept('info')
  const log = new RequestLog(parent, { reqId: 'r-1' })

  log.child({ part: 'hub' }).info('deeper')
  log.level = 'error'
  log.warn('hidden')

  t.strictSame(lines, [{ level: 30, reqId: 'r-1', part: 'hub', msg: 'deeper' }])
  t.equal(parent.level, 'info')
})
