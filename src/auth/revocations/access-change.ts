/**
 * What every process must hear of at once: a key or somebody's credentials have been revoked, the credentials of an
 * open stream renewed. Changes travel as events of a stream of their own, so they arrive like any event, in order,
 * and with NOTIFY off too. They carry ids, never secrets.
 */

import Type, { type Static } from 'typebox'
import type { Database, Queryable } from '../../database/pool.js'
import { ROLES } from '../principal.js'

/** In the system's own workspace; so are the kind's and the events' names (migrations/0014_revocations.sql). */
export const ACCESS_STREAM = 'access'

const orNull = Type.Union([Type.String(), Type.Null()])
const Revoked = { id: Type.String(), workspace: Type.String(), subject: orNull, token_id: orNull }

export const AccessChange = Type.Union([
  /** A key was revoked or rotated: whoever remembers it looks it up again. */
  Type.Object({ change: Type.Literal('key'), key: Type.String() }),
  /**
   * A revocation was made or removed (sluice.revocations). Without either, as a gateway of the version before tells it,
   * all are to be read again, as that gateway does whatever else it is told.
   */
  Type.Object({
    change: Type.Literal('revocations'),
    made: Type.Optional(
      Type.Object({
        ...Revoked,
        at: Type.Number(),
        expiresAt: Type.Union([Type.Number(), Type.Null()], { description: 'Null: never.' }),
      }),
    ),
    removed: Type.Optional(Type.Object(Revoked)),
  }),
  /** An open stream shall go on with newer credentials. */
  Type.Object({
    change: Type.Literal('renewal'),
    connection: Type.String(),
    principal: Type.Object({
      id: Type.String(),
      workspace: Type.String(),
      role: Type.Enum([...ROLES]),
      expiresAt: Type.Union([Type.Number(), Type.Null()]),
      issuedAt: Type.Number(),
      credential: Type.Object({ kind: Type.Enum(['token', 'key']), id: Type.Optional(Type.String()) }),
    }),
  }),
])
export type AccessChange = Static<typeof AccessChange>
type RevocationChange = Extract<AccessChange, { change: 'revocations' }>
export type MadeRevocation = NonNullable<RevocationChange['made']>
export type RemovedRevocation = NonNullable<RevocationChange['removed']>

/**
 * Tells all processes, once the caller's transaction commits. Without a transaction, at once. It sends no NOTIFY, which
 * can fail a COMMIT: until the caller wakes the others, they find it with their poll.
 */
export async function publishAccessChange(database: Queryable, change: AccessChange): Promise<void> {
  await database.query({
    name: 'sluice-access-change',
    text: 'select sluice.publish_access_change($1::json)',
    values: [JSON.stringify(change)],
  })
}

/** Wakes the gateways after a change, for a program that has no bus. What fails here costs them the wait for their poll. */
export async function wakeForAccessChange(database: Database): Promise<void> {
  const streams = `array(select id from sluice.streams where workspace = '$system' and name = $1)`
  await database.query(`select sluice.wake(${streams})`, [ACCESS_STREAM]).catch(() => undefined)
}
