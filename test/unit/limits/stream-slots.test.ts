import t from 'tap'
import type { StreamSlot } from '../../../src/limits/stream-slot.js'
import { StreamSlots } from '../../../src/limits/stream-slots.js'
import { randomFrom } from '../../harness/random.js'

const NOBODY = { principal: 0, workspace: 0, address: 0 }
const ada = { workspace: 'acme', id: 'ada', address: '192.0.2.1' }

t.test('each of the limits is exact, and is named when it is reached', async t => {
  const slots = new StreamSlots({ principal: 2, workspace: 3, address: 4 })

  t.type(slots.take(ada), 'object')
  t.type(slots.take(ada), 'object')
  t.equal(slots.take(ada), 'principal')
  t.type(slots.take({ ...ada, id: 'grace' }), 'object')
  t.equal(slots.take({ ...ada, id: 'joan' }), 'workspace')
  t.type(slots.take({ ...ada, workspace: 'globex' }), 'object', 'the same name elsewhere is somebody else')
  t.equal(slots.take({ ...ada, workspace: 'globex', id: 'grace' }), 'address')
  t.type(slots.take({ ...ada, workspace: 'globex', id: 'grace', address: '192.0.2.2' }), 'object')
})

t.test('no principal can spend the slots of another by its choice of id', async t => {
  const slots = new StreamSlots({ principal: 1, workspace: 0, address: 0 })

  slots.take({ workspace: 'a', id: 'b c', address: '' })

  t.type(slots.take({ workspace: 'a', id: 'b', address: '' }), 'object')
  t.type(slots.take({ workspace: 'a-b', id: 'c', address: '' }), 'object')
  t.type(slots.take({ workspace: 'a', id: '__proto__', address: '__proto__' }), 'object')
})

t.test('zero is no limit, but streams are counted', async t => {
  const slots = new StreamSlots({ principal: 0, workspace: 0, address: 0 })

  const taken = Array.from({ length: 1_000 }, () => slots.take(ada))

  t.ok(taken.every(slot => typeof slot === 'object'))
  t.strictSame(slots.holders, { principal: 1, workspace: 1, address: 1 })
})

t.test('after slots are taken, refused and released, once or twice, none is held', async t => {
  const caps = { principal: 3, workspace: 7, address: 5 }
  const random = randomFrom(7)
  const slots = new StreamSlots(caps)
  const taken: { slot: StreamSlot; holder: typeof ada }[] = []
  const count = (of: (holder: typeof ada) => string) => {
    const counts = new Map<string, number>()
    for (const { holder } of taken) counts.set(of(holder), (counts.get(of(holder)) ?? 0) + 1)
    return counts
  }

  for (let step = 0; step < 5_000; step += 1) {
    if (random.integer(2) === 0) {
      const [gone] = taken.splice(random.integer(taken.length + 1), 1)
      gone?.slot.release()
      if (random.integer(3) === 0) gone?.slot.release()
      continue
    }
    const holder = {
      workspace: random.pick(['acme', 'globex']),
      id: random.pick(['ada', 'grace', 'joan']),
      address: random.pick(['192.0.2.1', '192.0.2.2', '192.0.2.3']),
    }
    const full = {
      principal:
        (count(({ workspace, id }) => `${workspace} ${id}`).get(`${holder.workspace} ${holder.id}`) ?? 0) >=
        3,
      workspace: (count(({ workspace }) => workspace).get(holder.workspace) ?? 0) >= 7,
      address: (count(({ address }) => address).get(holder.address) ?? 0) >= 5,
    }
    const slot = slots.take(holder)
    if (typeof slot !== 'string') taken.push({ slot, holder })
    const expected = full.principal || full.workspace || full.address
    if (expected !== (typeof slot === 'string')) t.fail(`step ${step}: ${JSON.stringify(full)}`)
  }

  for (const { slot } of taken) slot.release()
  t.strictSame(slots.holders, NOBODY)
})
