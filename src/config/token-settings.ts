/** The settings of tokens and of the other credentials: the keys that verify them, and the claims that they must have. */
import Type from 'typebox'
import { Switch } from './setting.js'

export const SECRET = {
  minLength: 32,
  form: 'at least 32 random characters, as `openssl rand -hex 32` prints them',
  secret: true,
} as const
const PUBLIC_KEY = {
  pattern: '-----BEGIN (RSA )?PUBLIC KEY-----',
  form: 'a complete public key, including the line -----BEGIN PUBLIC KEY-----',
  secret: true,
} as const

export const TOKEN_SETTINGS = {
  JWT_SECRET: Type.Optional(
    Type.String({ ...SECRET, description: 'Key that verifies HS256 tokens, at least 32 characters.' }),
  ),
  JWT_PUBLIC_KEY: Type.Optional(
    Type.String({
      ...PUBLIC_KEY,
      description:
        'Public key (PEM) that verifies RS256, ES256 or EdDSA tokens. Line ends may be written as `\\n`.',
    }),
  ),
  JWT_SECRET_PREVIOUS: Type.Optional(
    Type.String({
      ...SECRET,
      description:
        'Second key that verifies HS256 tokens, while the secret is being changed. It signs nothing.',
    }),
  ),
  JWT_PUBLIC_KEY_PREVIOUS: Type.Optional(
    Type.String({
      ...PUBLIC_KEY,
      description: 'Second public key (PEM) that verifies tokens, while the key pair is being changed.',
    }),
  ),
  JWKS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL that begins with https:// or http://',
      secret: true,
      description:
        "URL of the issuer's key set. A URL without a path means `/.well-known/jwks.json` on that host.",
    }),
  ),
  JWT_ISSUER: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Required value of the claim `iss`. Unset, the claim is not checked.',
    }),
  ),
  JWT_AUDIENCE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Required value of the claim `aud`. Unset, the claim is not checked.',
    }),
  ),
  JWT_WORKSPACE_CLAIM: Type.String({
    default: 'workspace',
    minLength: 1,
    description:
      'The claim that holds the workspace: a name; a path such as `app.tenant`; or a JSON array of names. A text with `:` or `/`, such as a URL, is one name.',
  }),
  JWT_ROLE_CLAIM: Type.String({
    default: 'role',
    minLength: 1,
    description:
      'The claim that holds the role, or an array of roles, of which the highest counts. Written like `JWT_WORKSPACE_CLAIM`, such as `realm_access.roles`.',
  }),
  JWT_ROLE_MAP: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Roles of the role names of another system, in tokens and imported keys: `owner=admin,member=editor`, or the same as a JSON object. Own names keep their meaning unless they are mapped.',
    }),
  ),
  JWT_DEFAULT_ROLE: Type.Optional(
    Type.Enum(['viewer', 'editor', 'admin', 'runner'], {
      description:
        'Role of tokens and imported keys whose role is missing or has no entry in the map. Unset, they are refused.',
    }),
  ),
  AUTHORIZE_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL that begins with https:// or http://',
      secret: true,
      description:
        'URL of your service that decides at run time who may read and write which stream. Unset, roles and grants decide alone.',
    }),
  ),
  AUTHORIZE_TOKEN: Type.Optional(
    Type.String({
      ...SECRET,
      description:
        'Token that is sent to it as `Authorization: Bearer`, so that it knows the gateway, at least 32 characters.',
    }),
  ),
  OPERATOR_WORKSPACE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Workspace whose admins alone may switch maintenance, which affects all workspaces. Unset, every admin may.',
    }),
  ),
  AUTH_COOKIE: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
      form: 'the name of a cookie, such as __Host-session',
      description:
        'Name of a cookie that stream routes accept as a credential, from pages of the same origin. Its value is a token or an API key. Unset, no cookie is accepted.',
    }),
  ),
  QUERY_TOKEN: Switch({
    default: 'on',
    description:
      'Whether stream routes accept a token as `?token=`. URLs leak into histories and logs; tickets do without it.',
  }),
}
