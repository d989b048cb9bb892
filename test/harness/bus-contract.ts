/** What every bus must do (src/bus/bus.ts), as a suite: run it with a way to make buses that can reach each other. */
import t, { type Test } from 'tap'
import type { Bus, Wake } from '../../src/bus/bus.js'
import type { StreamId } from '../../src/log/event.js'
import { until } from './until.js'

/** Prepares whatever the buses of one test share, and returns how to make them. */
export type BusMaker = (test: Test) => Promise<() => Bus>

export function busContract(name: string, prepare: BusMaker): void {
  const subtest = (title: string, run: (t: Test, make: () => Bus) => Promise<void>) =>
    t.test(`${name}: ${title}`, async t => {
      const make = await prepare(t)
      const closing: Bus[] = []
      t.teardown(() => Promise.all(closing.map(bus => bus.close())))
      await run(t, () => {
        const bus = make()
        closing.push(bus)
        return bus
      })
    })

  subtest('what one bus is woken with reaches all others', async (t, make) => {
    const [sender, ...others] = await Promise.all([make(), make(), make()].map(started))

    sender?.bus.wake([7, 8] as StreamId[])

    for (const other of others) await until('7 and 8', () => other.heard(7) && other.heard(8))
    t.notOk(others.some(other => other.heard(9)))
  })

  subtest('to start is a moment before which wakes were lost', async (t, make) => {
    const { wakes } = await started(make())

    t.ok(wakes.includes('all'))
  })

  subtest('what many are woken with in a burst arrives, merged or not', async (_, make) => {
    const [one, two, three] = await Promise.all([make(), make(), make()].map(started))
    const ids = Array.from({ length: 3_000 }, (_, index) => 1_000_000 + index)

    for (const id of ids) (id % 2 ? one : two)?.bus.wake([id] as StreamId[])

    await until('all of them', () => ids.every(id => three?.heard(id)))
  })

  subtest('waking does not wait, and never throws, in whatever state', async (t, make) => {
    const bus = make()

    t.equal(bus.wake([1] as StreamId[]), undefined, 'before the start')
    await bus.start(() => {})
    t.equal(bus.wake([]), undefined)
    t.equal(bus.wake([1] as StreamId[]), undefined)
    await bus.close()
    t.equal(bus.wake([1] as StreamId[]), undefined, 'after the end')
  })

  subtest('what it was woken with just before it was closed is still told', async (_, make) => {
    const [leaving, staying] = await Promise.all([make(), make()].map(started))

    for (let id = 1; id <= 20; id += 1) leaving?.bus.wake([id] as StreamId[])
    await leaving?.bus.close()

    await until('all of them', () =>
      Array.from({ length: 20 }).every((_, index) => staying?.heard(index + 1)),
    )
  })

  subtest('after it was closed nothing is called any more', async (t, make) => {
    const [closed, other, witness] = await Promise.all([make(), make(), make()].map(started))
    await closed?.bus.close()
    const before = closed?.wakes.length

    other?.bus.wake([7] as StreamId[])
    await until('the witness heard it', () => witness?.heard(7) === true)

    t.equal(closed?.wakes.length, before)
    t.not(closed?.bus.status, 'listening')
  })

  subtest('closing is fine twice, at once and before the start', async (t, make) => {
    const { bus } = await started(make())

    await Promise.all([bus.close(), bus.close()])
    await bus.close()
    const never = make()
    await never.close()
    await never.start(() => t.fail('it was closed'))

    t.not(never.status, 'listening')
  })
}

interface Started {
  readonly bus: Bus
  readonly wakes: Wake[]
  heard(stream: number): boolean
}

/** Started, and said to listen if it ever will. */
async function started(bus: Bus): Promise<Started> {
  const wakes: Wake[] = []
  const streams = new Set<number>()
  await bus.start(wake => {
    wakes.push(wake)
    if (wake !== 'all') for (const stream of wake) streams.add(stream)
  })
  await until('it listens', () => bus.status === 'listening' && wakes.includes('all'))
  return { bus, wakes, heard: stream => streams.has(stream) }
}
