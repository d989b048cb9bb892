/** The processes of the cluster, beside a list of clients: another node reports only how many it has. */
import Type, { type Static } from 'typebox'
import { orNull } from '../openapi/or-null.js'

const OR_OLDER = 'Null for a process of an older version.'
const OR_UNWATCHED = 'Null also for an engine without HTTP.'

export const NodeDocument = Type.Object(
  {
    node: Type.String({ description: 'The first 8 digits of the names of its connections.' }),
    name: Type.String({ description: 'Host and process id.' }),
    asked: Type.Boolean({
      description:
        'Whether it has answered this request. A list of clients has those of these nodes; to list those of others, ask them.',
    }),
    version: Type.String(),
    mode: Type.String(),
    started_at: Type.String({ format: 'date-time' }),
    lag_ms: Type.Integer({
      description:
        'How far it was behind the log at that time, in ms: how long it had been unable to read it, or a stream had waited to be read.',
    }),
    heartbeat_age_ms: Type.Integer({ description: 'Milliseconds since its last heartbeat.' }),
    clients: Type.Integer({ description: 'Open streams of all workspaces at that time.' }),
    by_kind: Type.Record(Type.String(), Type.Integer(), { description: 'The same by kind of stream.' }),
    streams: orNull(Type.Integer(), `Streams that have clients. ${OR_OLDER}`),
    bus: orNull(Type.String(), `Whether wakes arrived: \`listening\`, \`down\` or \`off\`. ${OR_OLDER}`),
    bus_kind: orNull(
      Type.String(),
      'What carries them, such as `postgres`. Null also for a bus of the application itself.',
    ),
    memory_state: orNull(Type.String(), `\`ample\`, \`tight\` or \`low\`. ${OR_UNWATCHED}`),
    memory_percent: orNull(
      Type.Integer(),
      `Percent in use of the nearer limit: the heap or the container. ${OR_UNWATCHED}`,
    ),
    event_loop_delay_ms: orNull(
      Type.Integer(),
      `The longest delay of its event loop in the two seconds before. ${OR_OLDER}`,
    ),
  },
  { title: 'Node' },
)
export type NodeDocument = Static<typeof NodeDocument>
