import fc from 'fast-check'
import { ModelWorld } from './model-world.js'

/** Plays the steps in a new world and lets it heal. @throws {Error} with what broke the invariants. */
export async function play(commands: Iterable<fc.AsyncCommand<object, ModelWorld>>): Promise<void> {
  const world = new ModelWorld()
  await world.start()
  try {
    await fc.asyncModelRun(() => ({ model: {}, real: world }), commands)
    await world.heal()
    if (world.violations.length > 0) throw new Error(world.violations.join('\n'))
  } finally {
    world.close()
  }
}
