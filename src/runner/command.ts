/** Jobs of kind `command`: the schema of their payload, and the form of their result. */
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { WITHOUT_NULL } from '../openapi/described.js'

export const MAX_TIMEOUT_MS = 24 * 3_600_000

export const Command = Type.Object(
  {
    command: Type.String({
      minLength: 1,
      ...WITHOUT_NULL,
      description: 'The command, executed with `/bin/sh -c`.',
    }),
    env: Type.Optional(
      Type.Record(Type.String({ pattern: '^[^=\\x00]+$' }), Type.String(WITHOUT_NULL), {
        description: 'Environment variables, in addition to those that the runner passes on.',
      }),
    ),
    timeout_ms: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_TIMEOUT_MS,
        description: 'The time limit in milliseconds; the command is killed after it.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type Command = Static<typeof Command>

export const CommandResult = Type.Object({
  exit_code: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Null if a signal ended the command.',
  }),
  signal: Type.Union([Type.String(), Type.Null()], { examples: ['SIGTERM'] }),
  duration_ms: Type.Integer(),
  timed_out: Type.Optional(Type.Literal(true)),
  error: Type.Optional(
    Type.String({
      description:
        'Why the command was not executed or did not finish, or why the place in which it ran ended it.',
    }),
  ),
})
export type CommandResult = Static<typeof CommandResult>

/** @throws {Error} that names the first faulty field. */
export function commandOf(payload: unknown): Command {
  if (Value.Check(Command, payload)) return payload
  const [fault] = Value.Errors(Command, payload)
  const field = fault?.instancePath.slice(1).replaceAll('/', '.') || 'it'
  throw new Error(`The payload is not a command: ${field} ${fault?.message ?? 'is wrong'}.`)
}
