import t from 'tap'
import { always, ReadSlots } from '../../../src/hub/read-slots.js'

t.test('a read that filters is left out if nobody wants it any more when it is its turn', async t => {
  const slots = new ReadSlots()
  const [first, second] = [held(), held()]
  let isThere = true
  const begun: string[] = []
  const read = (name: string) => async () => begun.push(name)

  const running = [first, second].map(({ done }) => slots.filtering(() => done, always))
  const left = slots.filtering(read('left'), () => isThere)
  const stays = slots.filtering(read('stays'), always)
  isThere = false
  first.end()

  t.equal(await left, undefined)
  t.equal(await stays, 1)
  second.end()
  await Promise.all(running)
  t.strictSame(begun, ['stays'])
})

t.test('a read that filters and waits for a reader is left out, too', async t => {
  const slots = new ReadSlots()
  const readers = Array.from({ length: 4 }, held)
  let isThere = true

  const running = readers.map(({ done }) => slots.run(() => done, always))
  const left = slots.filtering(
    async () => 'read',
    () => isThere,
  )
  await new Promise(resolve => setImmediate(resolve))
  isThere = false
  for (const { end } of readers) end()

  t.equal(await left, undefined)
  await Promise.all(running)
})

function held() {
  let end = () => {}
  const done = new Promise<void>(resolve => {
    end = resolve
  })
  return { done, end }
}
