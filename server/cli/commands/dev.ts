/** `sluice dev`: a gateway to develop against, with a Postgres of its own, demo data and a context for the other commands. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { developmentSecret } from '../../../src/auth/tokens/keys.js'
import { readConfig } from '../../../src/config/config.js'
import { UsageError } from '../../../src/process/usage.js'
import { ContextFile } from '../contexts/context-file.js'
import { contextName } from '../contexts/context-name.js'
import { command } from '../declaration.js'
import { Failure } from '../exit-code.js'
import { flag, integer, text, valueOr } from '../option.js'
import { startServing } from '../start-serving.js'
import { signedToken } from '../token/signed-token.js'

const LIFE_S = 30 * 86_400
/** Variables that name another database or another issuer, which may be those of production. */
const LEFT_OUT = ['DATABASE_URL', 'LISTEN_DATABASE_URL', 'JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL']
const PREVIOUS = ['JWT_SECRET_PREVIOUS', 'JWT_PUBLIC_KEY_PREVIOUS']

export const devCommand = command({
  description: `Starts a gateway for development: an embedded Postgres in a folder, a small stream of item changes in the workspace 'demo',
tokens to copy, and a context, so that sluice tail and all other commands work at once in another terminal. Ctrl-C ends it; the data stays.`,
  options: {
    port: valueOr('--port PORT', 'the port to listen on (8080)', 8080, {
      parse: integer(1, 65_535),
      env: 'PORT',
    }),
    data: valueOr('--data FOLDER', 'where the database and its key are kept (data)', 'data', {
      parse: text,
      env: 'DATA_DIR',
    }),
    empty: flag('--empty', 'play no changes'),
    name: valueOr('--name NAME', 'the name of the context (dev)', 'dev', { parse: contextName }),
    noContext: flag('--no-context', 'store no context'),
  },
  examples: [
    'npx sluice dev',
    'npx sluice tail --context dev      # in another terminal',
    'npx sluice dev --empty --port 8081 --data /tmp/try',
  ],
  notes: `It never touches a database of yours: ${LEFT_OUT.slice(0, -1).join(', ')} and ${LEFT_OUT.at(-1)} are ignored. All other variables of docs/configuration.md
count. The context holds a token of an admin of 'demo' for 30 days. It becomes the current one only if there is no other.`,
  exitCodes: '0 stopped, 1 failed, 2 wrong usage or configuration',
  async run({ options: { port, data, empty, name, noContext }, env, terminal: { err } }) {
    if (env.NODE_ENV === 'production') {
      throw new UsageError(
        'sluice dev is for development, and NODE_ENV is production. Leave it out, or use sluice serve.',
      )
    }
    const ignored = LEFT_OUT.filter(variable => env[variable])
    if (ignored.length > 0) await err.line(`sluice dev ignores ${ignored.join(', ')}.`)
    for (const variable of [...LEFT_OUT, ...PREVIOUS]) delete process.env[variable]
    // The gateway, and its workers, read them from there.
    Object.assign(process.env, { PORT: String(port), DATA_DIR: data })
    await requireFree(port, env.HOST || '127.0.0.1')
    if (!noContext) {
      const file = new ContextFile(env, line => err.line(line))
      const { current } = await file.read()
      const context = { url: `http://127.0.0.1:${port}`, token: await adminToken(data) }
      await file.change(({ current = name, byName }) => ({
        current,
        byName: new Map([...byName, [name, context]]),
      }))
      const how = (current ?? name) === name ? 'sluice tail' : `sluice tail --context ${name}`
      await err.line(`The context ${name} is ready: in another terminal, try \`${how}\`.`)
    }
    await startServing({ demo: !empty })
    return undefined
  },
})

/** A gateway that runs there may be the one of the context, which must not be replaced then. @throws {Failure} if the port is taken. */
async function requireFree(port: number, host: string): Promise<void> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Failure(`${reason}. Stop the program that uses this port, or give another with --port.`)
  }
  server.close()
  await once(server, 'close')
}

async function adminToken(data: string): Promise<string> {
  const key = {
    key: await developmentSecret(resolve(data)),
    algorithm: 'HS256',
    isDevelopment: true,
  } as const
  const expiresAt = Math.floor(Date.now() / 1_000) + LIFE_S
  const content = { id: 'dev', workspace: 'demo', role: 'admin', expiresAt, claims: {} } as const
  return signedToken(key, content, readConfig(process.env))
}
