/**
 * The messages that every process must receive at once: a key or other credentials have been revoked, the credentials of an
 * open stream renewed, or an admin ends a stream. They are events of a stream of their own, so they arrive in order, and
 * without NOTIFY too. They carry ids, never secrets.
 */

import Type, { type Static } from 'typebox'
import type { Database, Queryable } from '../../database/pool.js'
import { GrantsDocument } from '../grants/grants.js'
import { ROLES } from '../principal.js'

/** The name of that stream, in the system workspace. SQL knows the names of stream, kind and events too (migrations/). */
export const ACCESS_STREAM = 'access'

const orNull = Type.Union([Type.String(), Type.Null()])
const Revoked = { id: Type.String(), workspace: Type.String(), subject: orNull, token_id: orNull }

export const AccessChange = Type.Union([
  /** A key was revoked or rotated: caches have to drop it. */
  Type.Object({ change: Type.Literal('key'), key: Type.String() }),
  /**
   * A revocation was made or removed (sluice.revocations). A gateway of the previous version sends neither member and ignores
   * both; then all revocations are read again.
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
  /** An open stream continues with newer credentials. */
  Type.Object({
    change: Type.Literal('renewal'),
    connection: Type.String(),
    principal: Type.Object({
      id: Type.String(),
      workspace: Type.String(),
      role: Type.Enum([...ROLES]),
      grants: Type.Optional(GrantsDocument),
      expiresAt: Type.Union([Type.Number(), Type.Null()]),
      issuedAt: Type.Number(),
      credential: Type.Object({ kind: Type.Enum(['token', 'key']), id: Type.Optional(Type.String()) }),
    }),
  }),
  /** An admin ends the stream of a client. */
  Type.Object({ change: Type.Literal('client-ended'), workspace: Type.String(), connection: Type.String() }),
])
export type AccessChange = Static<typeof AccessChange>
type RevocationChange = Extract<AccessChange, { change: 'revocations' }>
export type MadeRevocation = NonNullable<RevocationChange['made']>
export type RemovedRevocation = NonNullable<RevocationChange['removed']>

/**
 * Sends a change to all processes, with the COMMIT of the caller's transaction, if there is one. Sends no NOTIFY, which can
 * fail a COMMIT: other processes find the change with their poll, or when the caller wakes them.
 */
export async function publishAccessChange(database: Queryable, change: AccessChange): Promise<void> {
  await database.query({
    name: 'sluice-access-change',
    text: 'select sluice.publish_access_change($1::json)',
    values: [JSON.stringify(change)],
  })
}

/** Wakes the gateways after a change, for a program without a bus. If that fails, they find the change with their poll. */
export async function wakeForAccessChange(database: Database): Promise<void> {
  const streams = `array(select id from sluice.streams where workspace = '$system' and name = $1)`
  await database.query(`select sluice.wake(${streams})`, [ACCESS_STREAM]).catch(() => undefined)
}
