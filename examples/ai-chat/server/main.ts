/** The process: settings from the environment, answers that were left, then requests. */
import { readFileSync } from 'node:fs'
import { Chats } from './chats.js'
import { credentialsWith } from './credentials.js'
import { slowModel } from './model.js'
import { buildApp } from './routes.js'

const {
  SLUICE_URL: gateway = 'http://127.0.0.1:8080',
  JWT_SECRET,
  DATA_DIR = 'data',
  PORT = '3000',
  TOKEN_MS = '40',
} = process.env

const credentials = credentialsWith(JWT_SECRET || readFileSync(`${DATA_DIR}/jwt-secret`, 'utf8'))
const chats = new Chats({
  url: gateway,
  credentials: credentials.ofServer,
  model: slowModel(Number(TOKEN_MS)),
  onError: error => console.error(error),
})
const app = buildApp({ chats, credentials, gateway, pageFolder: new URL('page/', import.meta.url) })

await chats.continue()
console.log(`The chat is at ${await app.listen({ host: '127.0.0.1', port: Number(PORT) })}`)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    await Promise.all([app.close(), chats.leave()])
    process.exit(0)
  })
}
