/**
 * Reading the audit log of one workspace, the newest entry first. A page continues after an entry's time and id,
 * never after a number of rows: entries that are written meanwhile neither shift the pages nor appear twice.
 */

import Type, { type Static } from 'typebox'
import { withIsoDates } from '../database/iso-dates.js'
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { cutPage, formatPlace, type Place, parsePlace } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { ACTIONS } from './audit.js'

/** Entries that an export reads at a time, and so holds in memory; about 300 bytes each. */
const EXPORT_PAGE = 500

export const AuditEntryDocument = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    at: Type.String({ format: 'date-time' }),
    action: Type.Enum([...ACTIONS]),
    principal: Type.Union([Type.String(), Type.Null()], {
      description: 'The principal that acted, if known.',
    }),
    address: Type.Union([Type.String(), Type.Null()], {
      description: 'The IP address of the client; null for the command line.',
    }),
    request_id: Type.Union([Type.String(), Type.Null()], {
      description: "Identifies the request in the gateway's log.",
    }),
    details: Type.Record(Type.String(), Type.Unknown(), {
      description: 'Details of the action; the members depend on `action`.',
    }),
  },
  { title: 'AuditEntry' },
)
export type AuditEntryDocument = Static<typeof AuditEntryDocument>

/** The filters of a read; `undefined` does not filter. */
export interface AuditFilter {
  readonly action?: string | undefined
  readonly principal?: string | undefined
  /** The earliest time. */
  readonly since?: Date | undefined
  /** The time before which entries were written. */
  readonly before?: Date | undefined
}

export type AuditPageRequest = AuditFilter & PageRequest

/** A page of entries. `next_cursor` is null on the last page. */
export interface AuditPage {
  readonly entries: AuditEntryDocument[]
  readonly next_cursor: string | null
}

interface Row extends Omit<AuditEntryDocument, 'at' | 'details'> {
  readonly at: Date
  readonly micros: number
  /** `json` arrives as text (src/database/pool.ts). */
  readonly details: string
}

/** @throws {Problem} 400 `invalid-cursor`. */
export async function readAuditPage(
  database: Database,
  workspace: string,
  { limit, cursor, ...filter }: AuditPageRequest,
): Promise<AuditPage> {
  const after = cursor === undefined ? undefined : parsePlace('audit', cursor)
  const found = await selectEntries(database, workspace, filter, after, limit + 1)
  const { page, next_cursor } = cutPage(found, limit, ({ micros, id }) =>
    formatPlace('audit', { at: micros, id }),
  )
  return { entries: page.map(documentOf), next_cursor }
}

/** The audit log as lines, a few hundred in each piece. Each piece is read when it is asked for, and no connection is held in between. */
export async function* exportAudit(
  database: Database,
  workspace: string,
  filter: AuditFilter,
): AsyncGenerator<string, void, undefined> {
  let after: Place | undefined
  for (;;) {
    const found = await selectEntries(database, workspace, filter, after, EXPORT_PAGE)
    if (found.length > 0) yield found.map(row => `${JSON.stringify(documentOf(row))}\n`).join('')
    const last = found.at(-1)
    if (last === undefined || found.length < EXPORT_PAGE) return
    after = { at: last.micros, id: last.id }
  }
}

async function selectEntries(
  database: Database,
  workspace: string,
  { action, principal, since, before }: AuditFilter,
  after: Place | undefined,
  limit: number,
): Promise<Row[]> {
  const statement = {
    name: 'sluice-select-audit',
    text: `
      select id, at, (extract(epoch from at) * 1000000)::bigint as micros, action, principal, address, request_id, details
        from sluice.audit
       where workspace = $1
         and ($2::text is null or action = $2) and ($3::text is null or principal = $3)
         and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
         and ($6::bigint is null
              or (at, id) < (timestamptz 'epoch' + $6::bigint * interval '1 microsecond', $7::uuid))
       order by at desc, id desc
       limit $8`,
    values: [workspace, action, principal, since, before, after?.at, after?.id, limit],
  }
  const { rows } = await inWorkspace(database, workspace, client => client.query<Row>(statement))
  return rows
}

function documentOf({ micros: _, details, ...row }: Row): AuditEntryDocument {
  return { ...withIsoDates(row), details: JSON.parse(details) }
}
