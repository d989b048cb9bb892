/**
 * The gateway of a command and the credential for it: from the options, then from the environment, then from a context of
 * `sluice login`. The credential of a context is sent only to the URL of that context.
 */
import { readFile } from 'node:fs/promises'
import { UsageError } from '../../src/process/usage.js'
import { type Context, ContextFile, contextNamed } from './contexts/context-file.js'
import { contextName } from './contexts/context-name.js'
import type { Call } from './declaration.js'
import { ExitCode, Failure } from './exit-code.js'
import { gatewayUrl, rootOf } from './gateway-url.js'
import { text, value } from './option.js'

export const DEFAULT_URL = 'http://127.0.0.1:8080'

/** Options of every command that talks to a gateway. */
export const gatewayOptions = {
  url: value('--url URL', `the gateway (environment: SLUICE_URL; default ${DEFAULT_URL})`, {
    parse: gatewayUrl,
  }),
  tokenFile: value(
    '--token-file FILE',
    'a file that holds a token or an API key (environment: SLUICE_TOKEN holds it itself)',
    { parse: text },
  ),
  context: value('--context NAME', 'a context of sluice login (environment: SLUICE_CONTEXT)', {
    parse: contextName,
  }),
}

/** A paragraph for the help of these commands. */
export const GATEWAY_NOTES = `The gateway and the credential come from the options, else from the environment, else from the current
context of sluice login. --context counts before the environment. The credential of a context is sent only to the URL of that context.`

export interface Target {
  /** The gateway's root, without a slash at its end. */
  readonly url: string
  /** A token or an API key; undefined if none was given. */
  readonly token: string | undefined
  /** Where the credential is from, for errors: `SLUICE_TOKEN`, `the context prod`; undefined if the person has just given it. */
  readonly tokenSource: string | undefined
}

export type GatewayCall = Pick<Call<typeof gatewayOptions>, 'options' | 'env' | 'terminal'>

/** @throws {UsageError} if a value is not valid. @throws {Failure} if there is no credential. */
export async function authorizedTarget(call: GatewayCall): Promise<Target & { readonly token: string }> {
  const target = await targetOf(call)
  const { token, url } = target
  if (token !== undefined) return { ...target, token }
  throw new Failure(
    `There is no credential for ${url}. Log in with \`sluice login --url ${url}\`, or set SLUICE_TOKEN to a token or an API key.`,
    ExitCode.usage,
  )
}

/** As `authorizedTarget`, for a command that can do without a credential. */
export async function targetOf(call: GatewayCall): Promise<Target> {
  const { options, env } = call
  const url = options.url ?? (options.context ? undefined : environmentUrl(env.SLUICE_URL))
  const given = await givenToken(call)
  // With both, a file that cannot be used does no harm.
  const context = url !== undefined && given && !options.context ? undefined : await contextOf(call)
  const root = rootOf(url ?? context?.url ?? DEFAULT_URL)
  if (given) return { url: root, ...given }
  const isForIt = context !== undefined && rootOf(context.url) === root
  const tokenSource = isForIt ? `the context ${context.name}` : 'no credential'
  return { url: root, token: isForIt ? context.token : undefined, tokenSource }
}

function environmentUrl(given = ''): string | undefined {
  return given === '' ? undefined : gatewayUrl(given, 'SLUICE_URL')
}

async function givenToken({
  options: { tokenFile, context },
  env,
}: GatewayCall): Promise<(Pick<Target, 'tokenSource'> & { readonly token: string }) | undefined> {
  if (tokenFile !== undefined) {
    const read = await readFile(tokenFile, 'utf8').catch(error => {
      throw new UsageError(`--token-file: ${error.message}`)
    })
    return { token: checkedToken(read.trim(), `--token-file: ${tokenFile}`), tokenSource: tokenFile }
  }
  const { SLUICE_TOKEN = '' } = env
  if (context !== undefined || SLUICE_TOKEN === '') return undefined
  return { token: checkedToken(SLUICE_TOKEN, 'SLUICE_TOKEN'), tokenSource: 'SLUICE_TOKEN' }
}

/** The message does not repeat it. @throws {UsageError} if no header can hold it. */
export function checkedToken(given: string, source: string): string {
  if (/^[\x21-\x7e]{1,8192}$/.test(given)) return given
  throw new UsageError(`${source} holds no token and no API key: visible ASCII characters without spaces.`)
}

async function contextOf({
  options,
  env,
  terminal,
}: GatewayCall): Promise<(Context & { name: string }) | undefined> {
  const { SLUICE_CONTEXT = '' } = env
  const named =
    options.context ?? (SLUICE_CONTEXT === '' ? undefined : contextName(SLUICE_CONTEXT, 'SLUICE_CONTEXT'))
  const contexts = await new ContextFile(env, line => terminal.err.line(line)).read()
  const name = named ?? contexts.current
  return name === undefined ? undefined : { name, ...contextNamed(contexts, name) }
}
