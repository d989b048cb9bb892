/** The one definition of a project: the schemas that routes validate and serialise with, and their types. */
import Type, { type Static } from 'typebox'
import { asLine, FORM, WITHOUT_NULL } from '../openapi/described.js'
import { orNull } from '../openapi/or-null.js'
import { JobProject } from './job.js'

const MAX_MEMBERS = 1_000
const MAX_COMMANDS = 100
export const MAX_VARIABLES = 100
const MAX_COMMAND_LENGTH = 4_096
/** A name of POSIX (IEEE Std 1003.1, 3.216), which every shell can read. */
const VARIABLE_PATTERN = '^[A-Za-z_][A-Za-z0-9_]*$'

export const Variable = Type.String({
  pattern: VARIABLE_PATTERN,
  [FORM]: 'a letter or _, then characters of A-Z a-z 0-9 _',
  maxLength: 128,
  examples: ['CI'],
})

const Members = Type.Array(asLine(Type.String({ minLength: 1, maxLength: 256 })), {
  maxItems: MAX_MEMBERS,
  uniqueItems: true,
  description:
    'The principals that may run and see the commands of the project, besides admins and runners: the `sub` of tokens, or ' +
    '`key:<id>`. Empty: everybody in the workspace.',
  examples: [['ada', 'key:4f1c6t2m9x0a']],
})
const Executor = orNull(
  Type.String({
    pattern: '^[a-z][a-z0-9-]{0,31}$',
    [FORM]: 'a lower-case letter and up to 31 characters of a-z 0-9 -',
    examples: ['container'],
  }),
  'Where runners run the commands: `local`, or a name that a runner knows. Null: `local`.',
)
const Image = orNull(
  asLine(Type.String({ minLength: 1, maxLength: 512, examples: ['node:22'] })),
  'The image that the executor uses. Null: none.',
)
const AllowedCommands = orNull(
  Type.Array(Type.String({ minLength: 1, maxLength: MAX_COMMAND_LENGTH, ...WITHOUT_NULL }), {
    maxItems: MAX_COMMANDS,
    uniqueItems: true,
    examples: [['npm test']],
  }),
  'The only commands that may run, each compared with the whole text of the command. Null: any command.',
)
const AllowedEnv = orNull(
  Type.Array(Variable, { maxItems: MAX_VARIABLES, uniqueItems: true, examples: [['CI']] }),
  'The only variables that a command may set in `env`. Null: any, or none if the project has `allowed_commands`.',
)

export const Project = Type.Object(
  {
    id: JobProject,
    members: Members,
    executor: Executor,
    image: Image,
    allowed_commands: AllowedCommands,
    allowed_env: AllowedEnv,
    created_by: Type.String({ description: 'The principal that declared the project.' }),
    created_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Project' },
)
export type Project = Static<typeof Project>

const RULES = {
  members: Type.Optional(Members),
  executor: Type.Optional(Executor),
  image: Type.Optional(Image),
  allowed_commands: Type.Optional(AllowedCommands),
  allowed_env: Type.Optional(AllowedEnv),
}
/** A URL cannot name `.` or `..`: clients resolve them as parts of the path. */
const NewProjectId = {
  ...JobProject,
  pattern: '^(?!\\.{1,2}$)[^\\p{Cc}\\p{Cs}]*$',
  [FORM]: 'one line of text, without control characters, and neither . nor ..',
}
export const NewProject = Type.Object(
  { id: NewProjectId, ...RULES },
  {
    additionalProperties: false,
    examples: [{ id: 'website', members: ['ada'], allowed_commands: ['npm test'], allowed_env: ['CI'] }],
  },
)
export type NewProject = Static<typeof NewProject>

export const ProjectChange = Type.Object(RULES, {
  additionalProperties: false,
  description: 'The members that change; the others stay.',
  examples: [{ members: ['ada', 'grace'] }],
})
export type ProjectChange = Static<typeof ProjectChange>

export const NO_RULES = {
  members: [],
  executor: null,
  image: null,
  allowed_commands: null,
  allowed_env: null,
} as const satisfies Required<ProjectChange>
