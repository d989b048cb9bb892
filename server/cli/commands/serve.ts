/** `sluice serve`. */
import { command } from '../declaration.js'
import { flag } from '../option.js'
import { startServing } from '../start-serving.js'

export const serveCommand = command({
  description:
    'Starts a Sluice gateway. Environment variables configure it; docs/configuration.md lists them.',
  options: {
    demo: flag('--demo', "also play a small stream of item changes in workspace 'demo'"),
  },
  examples: [
    'sluice                                                 # with an embedded Postgres in data/',
    'DATABASE_URL=postgres://name@host/database sluice serve',
    'sluice serve --demo',
  ],
  exitCodes: '0 stopped, 1 failed, 2 wrong usage or configuration',
  async run({ options }) {
    await startServing(options)
    return undefined
  },
})
