/** Who published the events in sight: what the console asks the gateway for, and when. */
import t from 'tap'
import { importConsole } from '../../../harness/console-module.js'
import { until } from '../../../harness/until.js'

interface Publishers {
  actorOf(id: string): string | null | undefined
  want(id: string, onKnown: () => void): () => void
}
interface Module {
  Publishers: new (
    ask: (ids: readonly string[]) => Promise<readonly { id: string; actor: string | null }[]>,
  ) => Publishers
}

const { Publishers } = await importConsole<Module>('pages/feed/publishers.ts')

t.test('rows that appear together are one request, which leaves out those that are gone again', async t => {
  const asked: (readonly string[])[] = []
  const publishers = new Publishers(async ids => {
    asked.push(ids)
    return [{ id: '1.a', actor: 'ada' }]
  })
  const known: string[] = []

  publishers.want('1.a', () => known.push('first row'))
  publishers.want('1.a', () => known.push('second row'))
  publishers.want('2.b', () => known.push('unknown'))
  publishers.want('3.c', () => known.push('gone'))()
  await until('the answer', () => known.length === 3)
  publishers.want('1.a', () => known.push('asked again'))
  publishers.want('4.d', () => known.push('later'))
  await until('the second answer', () => known.length === 4)

  t.strictSame(asked, [['1.a', '2.b'], ['4.d']])
  t.strictSame(known, ['first row', 'second row', 'unknown', 'later'])
  t.strictSame(
    ['1.a', '2.b', '3.c'].map(id => publishers.actorOf(id)),
    ['ada', null, undefined],
  )
})

t.test('no request has more than 100 ids, and one that fails holds up no other', async t => {
  const sizes: number[] = []
  const publishers = new Publishers(async ids => {
    sizes.push(ids.length)
    if (sizes.length === 1) throw new Error('busy')
    return []
  })
  let known = 0

  for (let n = 0; n < 150; n += 1) publishers.want(`${n}.a`, () => (known += 1))
  await until('the second answer', () => known === 50)

  t.strictSame(sizes, [100, 50])
})

t.test('answers are kept for a bounded number of rows', async t => {
  const publishers = new Publishers(async ids => ids.map(id => ({ id, actor: 'ada' })))
  let known = 0
  const all = 1_100

  for (let first = 0; first < all; first += 100) {
    for (let n = first; n < first + 100; n += 1) publishers.want(`${n}.a`, () => (known += 1))
    await until('the answer', () => known === first + 100)
  }
  await until('the oldest are gone', () => publishers.actorOf('99.a') === undefined)

  t.equal(publishers.actorOf('100.a'), 'ada')
})
