/** Query parameters that select events of a stream, by type, content or key. */
import Type from 'typebox'
import { MAX_WHERE_LENGTH } from '../src/log/content-filter/value.js'
import { KEY_PATH_FORM, KEY_PATH_PATTERN, MAX_KEY_PATH_LENGTH } from '../src/log/latest.js'
import { FORM } from '../src/openapi/described.js'

export const KEY = 'The path of the key in the data of an event: `data` and 1 to 16 names.'
export const DELETED =
  'The types of events that delete a key, written as in `types`. A key whose newest event is one of them is left out.'

export const Types = Type.String({
  maxLength: 4_096,
  description: 'Type names, or prefixes that end in `*`, separated by commas.',
})
export const Where = Type.String({
  maxLength: MAX_WHERE_LENGTH,
  description: 'A condition on the data; docs/protocol.md has the grammar. Only matching events are sent.',
  examples: ['data.project eq "A12" and data.state in ("open","held")'],
})
export const Key = Type.String({
  pattern: KEY_PATH_PATTERN,
  [FORM]: KEY_PATH_FORM,
  maxLength: MAX_KEY_PATH_LENGTH,
  description: KEY,
  examples: ['data.id'],
})
export const DeletedTypes = Type.String({
  maxLength: 4_096,
  description: DELETED,
})
