/** The processes of the cluster, beside a list of clients: another node reports only how many it has. */
import Type, { type Static } from 'typebox'

export const NodeDocument = Type.Object(
  {
    node: Type.String({ description: 'The first 8 digits of the names of its connections.' }),
    name: Type.String({ description: 'Host and process id.' }),
    asked: Type.Boolean({
      description:
        'Whether its clients are in this list. The clients of other nodes are not: ask those nodes.',
    }),
    version: Type.String(),
    mode: Type.String(),
    started_at: Type.String({ format: 'date-time' }),
    lag_ms: Type.Integer({
      description: 'How long it had been unable to read the log at that time, in ms; 0 while it can.',
    }),
    heartbeat_age_ms: Type.Integer({ description: 'Milliseconds since its last heartbeat.' }),
    clients: Type.Integer({ description: 'Open streams of all workspaces at that time.' }),
    by_kind: Type.Record(Type.String(), Type.Integer(), { description: 'The same by kind of stream.' }),
  },
  { title: 'Node' },
)
export type NodeDocument = Static<typeof NodeDocument>
