/** `sluice token`: signs a token as the issuer of the gateway's configuration would. */

import { ROLES } from '../../../src/auth/principal.js'
import { ConfigError, readConfig } from '../../../src/config/config.js'
import { UsageError } from '../../../src/process/usage.js'
import { command } from '../declaration.js'
import { durationOf } from '../doctor/duration.js'
import { ExitCode, Failure } from '../exit-code.js'
import { endOf, grantsOf } from '../key-options.js'
import { oneOf, type Parse, required, text, value, valueOr, values } from '../option.js'
import { signedToken } from '../token/signed-token.js'
import { signingKey } from '../token/signing-key.js'

/** A stream ends with its token, so tokens live for a quarter of an hour unless more is asked for. */
const DEFAULT_LIFE = '15m'
const LONG_S = 86_400

const claim: Parse<readonly [string, unknown]> = (given, name) => {
  const [, key = '', said = ''] = /^([^=]+)=(.*)$/s.exec(given) ?? []
  if (key === '') throw new UsageError(`${name} must be NAME=VALUE; a VALUE that is JSON counts as JSON.`)
  try {
    return [key, JSON.parse(said)]
  } catch {
    return [key, said]
  }
}

export const tokenCommand = command({
  description: `Signs a token (JWT) that a gateway of this configuration accepts, and prints only the token. For development, for tests and
for a person who has to act now: applications sign their own.`,
  options: {
    sub: required('--sub NAME', 'the principal', { parse: text }),
    role: valueOr('--role ROLE', `${ROLES.join(', ')} (viewer)`, 'viewer', { parse: oneOf(ROLES) }),
    workspace: value('--workspace NAME', 'the workspace (demo, with the key of a development gateway)', {
      parse: text,
    }),
    expires: valueOr(
      '--expires TIME',
      `when it ends: 15m, 12h, 90d, or a time (${DEFAULT_LIFE})`,
      endOf(DEFAULT_LIFE),
      {
        parse: given => endOf(given),
      },
    ),
    grants: value('--grants JSON', 'limit it to streams and types, as in sluice key create', {
      parse: grantsOf,
    }),
    claim: values('--claim NAME=VALUE', 'a further claim', claim),
    keyFile: value('--key-file FILE', 'a private key in PEM, whose public half is JWT_PUBLIC_KEY', {
      parse: text,
      env: 'JWT_PRIVATE_KEY_FILE',
    }),
  },
  examples: [
    'sluice token --sub ada --role editor --workspace acme',
    'export SLUICE_TOKEN="$(sluice token --sub me --role admin --expires 8h)"',
    'sluice token --sub ci --workspace acme --key-file issuer.pem --claim \'groups=["build"]\'',
  ],
  notes: `The key is the private key of --key-file, else JWT_SECRET, else the one that a development gateway keeps in DATA_DIR. The claims are
written as JWT_WORKSPACE_CLAIM, JWT_ROLE_CLAIM, JWT_ROLE_MAP, JWT_ISSUER and JWT_AUDIENCE say, so run it with the variables of the gateway.
A token cannot be taken back, only revoked: prefer short lives, and an API key for a program.`,
  exitCodes: '0 done, 1 failed, 2 wrong usage or configuration',
  async run({ options, env, terminal }) {
    const { keyFile, expires, sub, role, workspace, grants, claim: claims } = options
    try {
      const config = readConfig(Object.fromEntries(Object.entries(env).filter(([name]) => READ.test(name))))
      const key = await signingKey(config, keyFile)
      if (workspace === undefined && !key.isDevelopment) throw new UsageError('--workspace is missing.')
      const expiresAt = Math.floor(Date.parse(expires) / 1_000)
      const token = signedToken(
        key,
        {
          id: sub,
          workspace: workspace ?? 'demo',
          role,
          grants: grants ?? undefined,
          expiresAt,
          claims: Object.fromEntries(claims),
        },
        config,
      )
      const life = expiresAt - Date.now() / 1_000
      if (life > LONG_S) {
        await terminal.err.line(
          `Warning: this token is valid for ${durationOf(life)}, and any program that finds it can use it. Prefer --expires 15m, or an API key (sluice key create).`,
        )
      }
      // Not through `line`, which leaves tokens out.
      await terminal.out.write(`${token}\n`)
      return undefined
    } catch (error) {
      throw error instanceof ConfigError ? new Failure(error.message, ExitCode.usage) : error
    }
  },
})

/** The variables that concern tokens. */
const READ = /^(JWT_\w+|JWKS_URL|DATA_DIR)$/
