/**
 * Stream tickets open a stream for clients that cannot set headers, such as EventSource. A ticket is 256 random bits for one
 * principal and one path; the database holds only its hash. The first request within half a minute spends the ticket and
 * binds it to its browser; after that, only this browser can reconnect with it, as EventSource does automatically.
 * docs/decisions/0001-stream-tickets.md gives the reasons.
 */
import { randomBytes } from 'node:crypto'
import { gateOf } from '../../database/fair-gate.js'
import type { Database, Queryable } from '../../database/pool.js'
import { cidrOf } from '../../network/address-range.js'
import { hashSecret } from '../api-keys/api-key-secret.js'
import { both, storedGrants } from '../grants/grants.js'
import { type Credential, type Principal, ROLES } from '../principal.js'
import { ticketInvalid, tokenExpired } from '../refusals.js'

const TICKET_BYTES = 32
const TICKET = /^[A-Za-z0-9_-]{43}$/
/** Time within which a ticket must be spent. */
const TO_SPEND_MS = 30_000
/** Time for which a browser can reconnect with a spent ticket; less if the credentials end before. */
const TO_RETURN_MS = 24 * 3_600_000
/** Time for which a browser can follow a stream that it has requested; less if the credentials end before. */
const TO_FOLLOW_MS = 7 * 24 * 3_600_000

/** The workspace of a ticket is unknown before its look-up, so all look-ups share the connections of one workspace. */
const UNKNOWN = ''

export interface Ticket {
  readonly ticket: string
  /** Time by which it must be spent. */
  readonly expiresAt: Date
}

export class StreamTickets {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Issues a ticket for `principal` on this path.
   * @throws {Problem} 401 `token-expired` if the credentials have ended.
   */
  async issue(principal: Principal, pathname: string): Promise<Ticket> {
    const left = leftOf(principal, TO_SPEND_MS)
    const ticket = randomBytes(TICKET_BYTES).toString('base64url')
    const goodUntil = await gateOf(this.#database).run(principal.workspace, () =>
      insertTicket(this.#database, principal, { ticket, path: pathname, left, browser: undefined }),
    )
    return { ticket, expiresAt: goodUntil }
  }

  /**
   * Spends a ticket and returns its principal. A ticket that was issued to an API key depends on the key at every use: it ends
   * with the key, works only from the key's addresses, and allows no more than the key does then.
   * @param address of the client, as reported by trusted proxies; undefined if it cannot be trusted.
   * @param browser the secret in the browser's cookie.
   * @throws {Problem} 401 `ticket-invalid` for every reason: unknown, expired, another path, browser or address.
   */
  async take(
    ticket: string,
    pathname: string,
    browser: string,
    address: string | undefined,
  ): Promise<Principal> {
    if (!TICKET.test(ticket)) throw ticketInvalid()
    // Of concurrent requests, one finds the ticket unspent; the others wait for its row and then see the browser in it.
    const statement = {
      name: 'sluice-take-ticket',
      text: `with allowed as (
               select t.hash, (1000 * extract(epoch from k.expires_at))::float8 as key_expires_at, k.grants as key_grants
               from sluice.stream_tickets t
               left join sluice.api_keys k
                 on t.credential_kind = 'key' and k.id = t.credential_id and k.workspace = t.workspace
               where t.hash = $1 and t.path = $2 and (t.credential_kind <> 'key' or (
                 k.id is not null and k.revoked_at is null
                 and (k.expires_at is null or k.expires_at > clock_timestamp())
                 and (k.allowed_ips is null or $5::cidr <<= any (k.allowed_ips))
               ))
             ),
             spent as (
               update sluice.stream_tickets t
               set browser_hash = $3, good_until = clock_timestamp() + interval '1 millisecond'
                 * least($4::float8, t.expires_at - 1000 * extract(epoch from clock_timestamp()))
               from allowed a
               where t.hash = a.hash and t.browser_hash is null and t.good_until > clock_timestamp()
               returning t.*, a.key_expires_at, a.key_grants
             ),
             taken as (
               select t.* from spent t
               union all
               select t.*, a.key_expires_at, a.key_grants from sluice.stream_tickets t join allowed a on t.hash = a.hash
               where t.browser_hash = $3 and t.good_until > clock_timestamp()
             )
             select t.workspace, t.principal, t.role, t.credential_kind, t.credential_id, t.issued_at,
               t.grants, t.key_grants, least(t.expires_at, t.key_expires_at) as expires_at
             from taken t`,
      values: [hashSecret(ticket), pathname, hashSecret(browser), TO_RETURN_MS, cidrOf(address) ?? null],
    }
    const { rows } = await gateOf(this.#database).run(UNKNOWN, () =>
      this.#database.query<TicketRow>(statement),
    )
    const principal = rows[0] && principalOf(rows[0])
    if (!principal || principal.expiresAt <= Date.now()) throw ticketInvalid()
    return principal
  }
}

/**
 * Stores a ticket that is bound to its browser from the start, because the browser gets it as a cookie. It opens `scope`, which
 * no path of a request equals, so it is never valid as `?ticket=`.
 * @param on the transaction that makes the stream.
 * @returns the time for which the cookie is good, in milliseconds.
 * @throws {Problem} 401 `token-expired` if the credentials have ended.
 */
export async function issueBound(
  on: Queryable,
  principal: Principal,
  scope: string,
  secret: string,
): Promise<number> {
  const left = leftOf(principal, TO_FOLLOW_MS)
  await insertTicket(on, principal, { ticket: secret, path: scope, left, browser: secret })
  return left
}

interface NewTicket {
  readonly ticket: string
  readonly path: string
  /** Milliseconds until it ends. */
  readonly left: number
  /** The secret of the browser that it is bound to. */
  readonly browser: string | undefined
}

/** @returns when the ticket ends. */
async function insertTicket(
  on: Queryable,
  { id, workspace, role, credential, issuedAt, expiresAt, grants }: Principal,
  { ticket, path, left, browser }: NewTicket,
): Promise<Date> {
  const { rows } = await on.query<{ good_until: Date }>({
    name: 'sluice-issue-ticket',
    text: `insert into sluice.stream_tickets (hash, workspace, principal, role, credential_kind, credential_id,
             issued_at, expires_at, path, good_until, browser_hash, grants)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10 * interval '1 millisecond', $11, $12)
           returning good_until`,
    values: [
      hashSecret(ticket),
      workspace,
      id,
      role,
      credential.kind,
      credential.id ?? null,
      issuedAt,
      expiresAt,
      path,
      left,
      browser === undefined ? null : hashSecret(browser),
      grants ? JSON.stringify(grants.document) : null,
    ],
  })
  return rows[0]?.good_until ?? new Date()
}

function leftOf({ expiresAt }: Principal, atMostMs: number): number {
  const left = Math.min(atMostMs, expiresAt - Date.now())
  if (left <= 0) throw tokenExpired()
  return left
}

interface TicketRow {
  readonly workspace: string
  readonly principal: string
  readonly role: string
  readonly credential_kind: string
  readonly credential_id: string | null
  readonly issued_at: number
  readonly expires_at: number
  /** JSON texts: of the ticket, and of its key now. */
  readonly grants: string | null
  readonly key_grants: string | null
}

function principalOf(row: TicketRow): Principal | undefined {
  const role = ROLES.find(one => one === row.role)
  if (role === undefined) return undefined
  const { principal: id, workspace, issued_at: issuedAt, expires_at: expiresAt } = row
  const grants = both(storedGrants(row.grants), storedGrants(row.key_grants))
  return { id, workspace, role, grants, issuedAt, expiresAt, credential: credentialOf(row) }
}

function credentialOf({ credential_kind: kind, credential_id: id }: TicketRow): Credential {
  return kind === 'key' && id !== null ? { kind, id } : { kind: 'token', id: id ?? undefined }
}
