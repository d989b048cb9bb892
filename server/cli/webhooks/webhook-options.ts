/** The settings of a webhook as options of `create` and `change`. */
import { UsageError } from '../../../src/process/usage.js'
import { EXHAUSTIONS, MAX_IN_FLIGHT, ORDERS } from '../../../src/webhooks/webhook.js'
import { jsonObject, readArgument } from '../json-argument.js'
import { integer, oneOf, type Parse, text, type Values, value } from '../option.js'
import { typeTerms } from '../type-terms.js'
import { form } from './message-form.js'

/** A value, or `none`. @returns null for `none`. */
function orNone<T>(parse: Parse<T>): Parse<T | null> {
  return (given, name) => (given === 'none' ? null : parse(given, name))
}

export const settingOptions = {
  types: value(
    '--types TYPES',
    'only these types, or prefixes that end in *: item.*,order.placed; none: all',
    {
      parse: orNone(typeTerms),
    },
  ),
  where: value('--where CONDITION', `only events whose data matches: 'data.project eq "A12"'; none: all`, {
    parse: orNone(text),
  }),
  description: value('--description TEXT', 'what it is for; none: nothing', { parse: orNone(text) }),
  form,
  order: value(
    '--order ORDER',
    'ordered: each event waits for the one before (default); parallel: several at once',
    { parse: oneOf(ORDERS) },
  ),
  maxInFlight: value('--max-in-flight N', 'with --order parallel: how many at once, 1 to 100 (10)', {
    parse: integer(1, MAX_IN_FLIGHT),
  }),
  onExhausted: value(
    '--on-exhausted WHAT',
    'after the last attempt for an event: pause the webhook (default), or skip the event to the dead letters',
    { parse: oneOf(EXHAUSTIONS) },
  ),
  headers: value(
    '--headers JSON',
    `further headers, such as '{"x-api-key":"…"}': @FILE, or - for standard input, keeps their values out of the list of processes`,
    { parse: text },
  ),
}

/** The members of a request that the given options stand for. */
export async function settingsOf(given: Values<typeof settingOptions>) {
  const { types, where, description, form, order, maxInFlight, onExhausted, headers } = given
  return {
    ...(types !== undefined && { types: types === null ? null : types.join(',') }),
    ...(where !== undefined && { where }),
    ...(description !== undefined && { description }),
    ...(form !== undefined && { form }),
    ...(order !== undefined && { order }),
    ...(maxInFlight !== undefined && { max_in_flight: maxInFlight }),
    ...(onExhausted !== undefined && { on_exhausted: onExhausted }),
    ...(headers !== undefined && { headers: headersIn(await readArgument(headers, '--headers')) }),
  }
}

function headersIn(given: string): Readonly<Record<string, string>> {
  const entries = Object.entries(jsonObject(given, '--headers')).map(([name, content]) => {
    if (typeof content === 'string') return [name, content]
    throw new UsageError(`--headers: the value of ${JSON.stringify(name)} must be a text.`)
  })
  return Object.fromEntries(entries)
}
