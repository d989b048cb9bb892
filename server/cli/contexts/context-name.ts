/** The name of a context. */

import { UsageError } from '../../../src/process/usage.js'
import type { Parse } from '../option.js'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/

export const contextName: Parse<string> = (given, name) => {
  if (NAME.test(given)) return given
  throw new UsageError(`${name} must be the name of a context: 1 to 64 letters, digits and . _ : -`)
}
