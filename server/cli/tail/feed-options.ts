/** The options of the commands that follow a stream. */
import { text, value } from '../option.js'
import { typeTerms } from '../type-terms.js'

export const feedOptions = {
  types: value('--types TYPES', 'only these types, or prefixes that end in *: item.*,order.placed', {
    parse: typeTerms,
  }),
  where: value('--where CONDITION', `only events whose data matches: 'data.project eq "A12"'`, {
    parse: text,
  }),
  from: value(
    '--from START',
    'beginning, now (default), an event id, or a time such as 2026-11-21T06:00:00Z',
    {
      parse: text,
    },
  ),
}
