/** For tests of applications that mount Sluice: a gateway on a database of its own, and the contract of a bus. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { type Sluice, type SluiceOptions, serverOptions, sluice } from '../plugins/sluice.js'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'

export {
  type BusContractOptions,
  type BusContractTest,
  busContract,
  type PrepareBuses,
} from '../src/bus/testing/bus-contract.js'

export interface TestGateway {
  /** `http://127.0.0.1:<port>`, without a slash at its end. */
  readonly url: string
  readonly databaseUrl: string
  readonly sluice: Sluice
  /** A JWT for a principal, valid for an hour. Throws if the options replace `jwtSecret` by another kind of authentication. */
  token(principal?: { readonly id?: string; readonly workspace?: string; readonly role?: Role }): string
  /** Ends the gateway, and its Postgres if it started one. */
  close(): Promise<void>
}

export type TestGatewayOptions = Omit<SluiceOptions, 'name' | 'pool' | 'ownsServer'>

type Role = Parameters<Sluice['signToken']>[0]['role']

const SECRET = 'the secret of a gateway that lives as long as a test'
const TOKEN_SECONDS = 3_600

/**
 * Starts a gateway on a free port of 127.0.0.1.
 * @param options those of the plugin; without `databaseUrl` it starts an embedded Postgres in a temporary folder.
 */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const database =
    options.databaseUrl === undefined
      ? await startTemporary()
      : { url: options.databaseUrl, close: async () => undefined }
  const app = Fastify({ ...serverOptions({ ownsServer: true }) })
  try {
    const { authenticate, jwtPublicKey, jwksUrl } = options
    const jwtSecret = authenticate || jwtPublicKey || jwksUrl ? undefined : SECRET
    await app.register(sluice, { jwtSecret, rateLimitMax: 0, ...options, databaseUrl: database.url })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    return {
      url: `${url}${options.prefix ?? ''}`,
      databaseUrl: database.url,
      sluice: app.sluice,
      token: ({ id = 'tester', workspace = 'test', role = 'editor' } = {}) =>
        app.sluice.signToken({ id, workspace, role }, TOKEN_SECONDS),
      async close() {
        await app.close()
        await database.close()
      },
    }
  } catch (error) {
    await app.close()
    await database.close()
    throw error
  }
}

async function startTemporary() {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  // The server may run under another account, which has to enter the folder.
  await chmod(folder, 0o711)
  const { url, close } = await startEmbedded({ dataDir: folder })
  return {
    url,
    async close() {
      await close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
