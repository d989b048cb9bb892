/** A process that starts the embedded Postgres in the folder given and says so, for tests that kill it. */
import { startEmbedded } from '../../../src/embedded-postgres/embedded-postgres.js'

const [, , dataDir = ''] = process.argv
const { url } = await startEmbedded({ dataDir, pgBin: process.env.PG_BIN, settings: { fsync: 'off' } })
console.log(url)
