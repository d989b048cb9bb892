/** The variables about the bus, as a part of `environment.ts`. */
import Type from 'typebox'
import { Switch } from './setting.js'
import { SECRET } from './token-settings.js'

const NATS_FORM = 'URLs such as tls://user:password@nats.example.com:4222, separated by commas'
const REDIS_FORM = 'a URL such as rediss://user:password@redis.example.com:6379'

export const BUS_SETTINGS = {
  BUS: Type.Enum(['postgres', 'nats', 'redis', 'memory'], {
    default: 'postgres',
    description:
      'How processes wake each other: LISTEN/NOTIFY, NATS (`NATS_URL`), or Redis or Valkey (`REDIS_URL`). `memory` wakes only its own process; other processes then find events by polling.',
  }),
  BUS_NOTIFY: Switch({
    default: 'on',
    description: '`off` neither sends nor expects NOTIFY: events arrive by polling, every 500 ms.',
  }),
  NATS_URL: Type.Optional(
    Type.String({
      pattern: '^(nats|tls)://[^\\s,]+(\\s*,\\s*(nats|tls)://[^\\s,]+)*$',
      form: NATS_FORM,
      secret: true,
      description:
        'Servers of one NATS, as `nats://…` or, with TLS, `tls://…`, separated by commas. Required for `BUS=nats`.',
    }),
  ),
  NATS_CREDS_FILE: Type.Optional(
    Type.String({
      description:
        "File with a user's JWT and seed for NATS, as `nsc` writes it. In place of a user in `NATS_URL`.",
    }),
  ),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^rediss?://[^\\s]+$',
      form: REDIS_FORM,
      secret: true,
      description:
        'Redis or Valkey, as `redis://…` or, with TLS, `rediss://…`; with an ACL user and its password if it has any. Required for `BUS=redis`.',
    }),
  ),
  BUS_CA_FILE: Type.Optional(
    Type.String({
      description:
        'File (PEM) with the authorities of the certificate of NATS or Redis. Unset, those that Node knows.',
    }),
  ),
  BUS_CERT_FILE: Type.Optional(
    Type.String({
      description:
        'File (PEM) with the certificate that the gateway shows to NATS or Redis. Needs `BUS_KEY_FILE`.',
    }),
  ),
  BUS_KEY_FILE: Type.Optional(Type.String({ description: 'File (PEM) with the key of `BUS_CERT_FILE`.' })),
  BUS_EVENTS: Switch({
    default: 'on',
    description:
      'Whether wakes on NATS or Redis carry the new events, signed, so that other gateways need not read them. `off`: the broker sees numbers of streams only.',
  }),
  BUS_SECRET: Type.Optional(
    Type.String({
      ...SECRET,
      description:
        'Key that signs the messages on NATS or Redis, at least 32 characters. Set the same value on every gateway. Unset, it is derived from `JWT_SECRET`; without either, wakes carry no events.',
    }),
  ),
  BUS_PREFIX: Type.String({
    default: 'sluice',
    pattern: '^[A-Za-z0-9_-]{1,64}(\\.[A-Za-z0-9_-]{1,64}){0,7}$',
    form: 'words of letters, digits, _ and -, joined by dots',
    description:
      'Beginning of the subject of NATS or the channel of Redis, before the identity of the database. Set the same value on every gateway.',
  }),
}

interface BusVariables {
  readonly BUS: string
  readonly NATS_URL?: string | undefined
  readonly REDIS_URL?: string | undefined
  readonly BUS_CERT_FILE?: string | undefined
  readonly BUS_KEY_FILE?: string | undefined
}

/** The faults that the schema cannot express. */
export function busFaults({ BUS, NATS_URL, REDIS_URL, BUS_CERT_FILE, BUS_KEY_FILE }: BusVariables): string[] {
  const faults = [
    ...urlFaults('NATS_URL', NATS_URL, NATS_FORM),
    ...urlFaults('REDIS_URL', REDIS_URL, REDIS_FORM),
  ]
  if (BUS === 'nats' && NATS_URL === undefined) faults.push(`BUS=nats needs NATS_URL. Write ${NATS_FORM}.`)
  if (BUS === 'redis' && REDIS_URL === undefined)
    faults.push(`BUS=redis needs REDIS_URL. Write ${REDIS_FORM}.`)
  if ((BUS_CERT_FILE === undefined) !== (BUS_KEY_FILE === undefined))
    faults.push('BUS_CERT_FILE and BUS_KEY_FILE belong together. Set both, or neither.')
  return faults
}

function urlFaults(name: string, text: string | undefined, form: string): string[] {
  const isWhole = (text ?? '').split(',').every(url => text === undefined || isUrl(url.trim()))
  return isWhole ? [] : [`${name} is not a URL; it may be secret, so it is not shown. Write ${form}.`]
}

/** Also whether its user and password are percent-encoded as they must be. */
function isUrl(text: string): boolean {
  try {
    const { username, password } = new URL(text)
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}
