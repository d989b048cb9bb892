/**
 * Publishers, bus, tailers, recent frames, pages and subscriptions of two gateways, on a log that loses its tail, over connections and a
 * bus that do their worst, in virtual time: each client gets events that continue what it has, by identity, or a true reset first (I4),
 * and in the end everything. A failure is shrunk to few steps; SLUICE_SEED and SLUICE_PATH repeat it.
 */
import fc from 'fast-check'
import t from 'tap'
import { byNight } from '../../harness/nightly.js'
import { seedOfRun } from '../../harness/seed.js'
import { play } from './model-run.js'
import { STEPS } from './model-steps.js'
import { ModelWorld } from './model-world.js'

/** A run takes a millisecond of a processor. Each night draws its own seed, so nights add up: more than some minutes of one gain nothing. */
const RUNS = byNight(4_000, 250_000)
const STEPS_PER_RUN = 40
/** A client with a filter for events of the type `rare`. */
const RARE = 1
const seed = seedOfRun()
/** The path of a counterexample and its replayPath, with a space in between. */
const [path, replayPath] = (process.env.SLUICE_PATH ?? '').split(' ')

t.test(
  'found by the model: a client keeps its place although events that its filter hid are lost',
  async t => {
    const world = new ModelWorld()
    await world.start()
    t.teardown(() => world.close())

    world.commit(1, ['rare', 'thing.made'])
    void world.client(RARE).connect(world.gateway(0), { at: 'newest', count: 0 })
    await world.clock.turn()
    world.publish(0, ['thing.made', 'thing.made'])
    await world.clock.turn()
    world.commit(3, [])
    await world.clock.turn()
    await world.heal()

    t.strictSame(world.violations, [])
  },
)

t.test(`each client gets events that continue its own, or a reset first (SLUICE_SEED=${seed})`, async t => {
  const startedAt = process.hrtime.bigint()
  let steps = 0
  const property = fc.asyncProperty(
    fc.commands(STEPS, { maxCommands: STEPS_PER_RUN, size: 'max', ...(replayPath && { replayPath }) }),
    async commands => {
      await play(commands)
      steps += [...commands].length
    },
  )
  const run = await fc.check(property, { numRuns: RUNS, seed, ...(path && { path }) })

  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.comment(
    `seed ${seed}: ${run.numRuns} runs, ${steps} steps, ${Math.round(run.numRuns / seconds)} runs a second`,
  )
})
