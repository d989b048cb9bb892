/** A gateway as a process of its own, with times for webhooks that no setting can make so short. */
import closeWithGrace from 'close-with-grace'
import { buildApp } from '../../../server/app.js'
import { readConfig } from '../../../src/config/config.js'
import { migrate } from '../../../src/database/migrate.js'
import { TIMES } from './times.js'

const config = readConfig(process.env)
const { DATABASE_URL: databaseUrl = '', HOST: host, PORT: port, LOG_LEVEL: level } = config
await migrate(databaseUrl)
const app = await buildApp({ config, databaseUrl, logger: { level }, internals: TIMES })
closeWithGrace(async () => {
  await app.close()
})
console.log(`Sluice listens on ${await app.listen({ host, port })}`)
