/** The variables about webhooks, as a part of `environment.ts`. */
import Type from 'typebox'
import { parseRange } from '../network/address-range.js'
import { Switch, Whole } from './setting.js'

const MIN_SECRET_LENGTH = 32

export const WEBHOOK_SETTINGS = {
  WEBHOOKS: Switch({
    default: 'on',
    description:
      'Whether this process sends the events of webhooks. `off` leaves that to other processes; webhooks can be managed in any case.',
  }),
  WEBHOOK_SECRET_KEYS: Type.Optional(
    Type.String({
      minLength: MIN_SECRET_LENGTH,
      form: 'random texts of at least 32 characters, as `openssl rand -hex 32` prints them, separated by commas',
      secret: true,
      description:
        'Keys that seal the secrets of webhooks in the database, separated by commas: the first one seals, all open. Set the same value on every gateway. Unset, the key is derived from `JWT_SECRET`.',
    }),
  ),
  WEBHOOK_ALLOWED_NETWORKS: Type.String({
    default: '',
    description:
      'IP addresses or CIDR ranges that webhooks may reach although they are not public, separated by commas; `http://` is allowed there too. Empty = public addresses only; in development also those of this machine.',
  }),
  WEBHOOK_CONCURRENCY: Whole({
    default: 256,
    minimum: 1,
    maximum: 10_000,
    description: 'Deliveries of webhooks under way at once, per process.',
  }),
  WEBHOOK_ATTEMPT_DAYS: Type.Number({
    default: 7,
    minimum: 0,
    maximum: 36_500,
    description:
      'Days for which the attempts of webhooks are kept, of each webhook at most the newest 100,000. 0 = as long as these.',
  }),
}

interface WebhookVariables {
  readonly WEBHOOK_SECRET_KEYS?: string | undefined
  readonly WEBHOOK_ALLOWED_NETWORKS: string
}

/** The faults that the schema cannot express. */
export function webhookFaults({ WEBHOOK_SECRET_KEYS, WEBHOOK_ALLOWED_NETWORKS }: WebhookVariables): string[] {
  const short = listOf(WEBHOOK_SECRET_KEYS).some(key => key.length < MIN_SECRET_LENGTH)
  return [
    ...(short
      ? [
          'WEBHOOK_SECRET_KEYS has a key of less than 32 characters. Write random ones, as `openssl rand -hex 32` prints them.',
        ]
      : []),
    ...listOf(WEBHOOK_ALLOWED_NETWORKS)
      .filter(text => !parseRange(text))
      .map(
        text =>
          `WEBHOOK_ALLOWED_NETWORKS has ${JSON.stringify(text.slice(0, 80))}. Write IP addresses or CIDR ranges such as 10.0.0.0/8, without bits after the prefix.`,
      ),
  ]
}

/** The elements of a list that is separated by commas. */
export function listOf(text = ''): string[] {
  return text
    .split(',')
    .map(element => element.trim())
    .filter(Boolean)
}
