import t from 'tap'
import { FairRing } from '../../../src/clients/fair-ring.js'

t.test('a full ring loses the oldest entry of the workspace that has the most', async t => {
  const ring = new FairRing<number>(5)
  for (const entry of [1, 2]) ring.add('quiet', entry)
  for (let entry = 1; entry <= 100; entry += 1) ring.add('busy', entry)

  t.strictSame(
    [ring.of('quiet'), ring.of('busy')],
    [
      [1, 2],
      [98, 99, 100],
    ],
  )
  t.strictSame([ring.hasLost('quiet'), ring.hasLost('busy'), ring.size], [false, true, 5])
})

t.test('a workspace alone has all of it, and another one gets its share', async t => {
  const ring = new FairRing<number>(4)
  for (let entry = 1; entry <= 9; entry += 1) ring.add('one', entry)
  t.strictSame(ring.of('one'), [6, 7, 8, 9])

  for (const entry of [1, 2]) ring.add('two', entry)

  t.strictSame([ring.of('one'), ring.of('two'), ring.of('none')], [[8, 9], [1, 2], []])
})

t.test('more workspaces than entries leave nothing behind', async t => {
  const ring = new FairRing<number>(3)

  for (let n = 1; n <= 10; n += 1) ring.add(`w${n}`, n)

  const left = Array.from({ length: 10 }, (_, n) => ring.of(`w${n + 1}`)).flat()
  t.strictSame([left.length, ring.size], [3, 3])
  t.ok(left.includes(10))
})

t.test('a workspace that has lost its only entry has lost some, also after its next entry', async t => {
  const ring = new FairRing<number>(2)
  for (const workspace of ['one', 'two', 'three']) ring.add(workspace, 1)
  t.strictSame([ring.of('one'), ring.hasLost('one'), ring.hasLost('two')], [[], true, false])

  ring.add('one', 2)

  t.strictSame([ring.of('one'), ring.hasLost('one')], [[2], true])
})

t.test('the names of workspaces that have lost entries are bounded', async t => {
  const ring = new FairRing<number>(2)

  for (let n = 1; n <= 10; n += 1) ring.add(`w${n}`, n)

  const lost = Array.from({ length: 10 }, (_, n) => `w${n + 1}`).filter(name => ring.hasLost(name))
  t.strictSame(lost, ['w5', 'w6', 'w7', 'w8'])
})
