/** How a command talks to its gateway. */
import { type Client, createClient } from '../../clients/typescript/src/client.js'
import { explainedFetch, gatewayFailure } from './gateway-failure.js'
import { authorizedTarget, type GatewayCall, type Target } from './gateway-target.js'
import { patientFetch } from './patient-fetch.js'

export interface Connection {
  readonly client: Client
  readonly target: Target
}

export interface ConnectOptions {
  /** How often a request is sent before it fails. Default 1: a person decides. */
  readonly attempts?: number
  readonly fetch?: typeof explainedFetch
}

/**
 * Runs work with a client of the command's gateway.
 * @returns its exit code. @throws {UsageError}, {Failure} for everything that a gateway or the way to it can do.
 */
export async function withGateway<T>(
  call: GatewayCall,
  work: (connection: Connection) => Promise<T>,
  options: Pick<ConnectOptions, 'attempts'> = {},
): Promise<T> {
  const target = await authorizedTarget(call)
  const { attempts = 1 } = options
  const fetch = attempts > 1 ? patientFetch(target.url, call.terminal.err) : explainedFetch
  return await withClient(target, client => work({ client, target }), { attempts, fetch })
}

/** As `withGateway`, for a target that is known. */
export async function withClient<T>(
  target: Target,
  work: (client: Client) => Promise<T>,
  { attempts = 1, fetch = explainedFetch }: ConnectOptions = {},
): Promise<T> {
  const { url, token } = target
  try {
    return await work(createClient({ url, credentials: token, attempts, fetch }))
  } catch (error) {
    throw gatewayFailure(error, target)
  }
}
