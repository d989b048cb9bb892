/** The requests of workers about a wake: claim it, acknowledge, release it. Every token and every fence is checked here. */
import type { Static } from 'typebox'
import type { Database } from '../../database/pool.js'
import { inWorkspace } from '../../database/workspace.js'
import type { StreamId } from '../../log/event.js'
import { notFound } from '../../problems/problem.js'
import { positionIn } from './offset.js'
import type { Fence } from './subscription.js'
import { type Acknowledgement, type Claimed, snapshotStream } from './subscription-document.js'
import {
  alreadyClaimed,
  fenced,
  invalidSubscription,
  nothingPending,
  notPullWake,
  offsetBeyond,
  wakeTokenInvalid,
} from './subscription-problem.js'
import * as rows from './subscription-rows.js'
import type { TokenUse, WakeTokens } from './wake-tokens.js'

export interface WakeWork {
  readonly database: Database
  readonly tokens: WakeTokens
}

/** @throws {Problem} 404 `not-found`; 409 `already-claimed`, `nothing-pending`, `not-pull-wake`. */
export async function claimSubscription(
  { database, tokens }: WakeWork,
  workspace: string,
  id: string,
  worker: string,
): Promise<Static<typeof Claimed>> {
  return await inWorkspace(database, workspace, async client => {
    const found = await rows.claim(client, workspace, id, worker)
    if (!found) throw notFound('subscription')
    const { outcome, uid, generation, wakeId, holder, leaseTtlMs } = found
    if (outcome === 'not-pull-wake') throw notPullWake()
    if (outcome === 'held') throw alreadyClaimed(holder, generation)
    if (outcome === 'idle') throw nothingPending(generation)
    const streams = await rows.selectWoken(client, uid)
    return {
      wake_id: wakeId,
      generation,
      token: tokens.mint({ use: 'claim', uid, generation, workspace }),
      streams: streams.map(snapshotStream),
      lease_ttl_ms: leaseTtlMs,
    }
  })
}

export interface Reference {
  readonly id: string
  /** The bearer token of the request; undefined if it has none. */
  readonly token: string | undefined
  readonly use: TokenUse
}

export interface Settled {
  readonly nextWake: boolean
  /** Streams to look at, because one may have grown while it was acknowledged. */
  readonly streams: readonly StreamId[]
}

/**
 * Acknowledges, and ends the wake if it is done; else extends its lease.
 * @throws {Problem} 400 for an offset that is none; 401 `wake-token-invalid`; 409 `wake-fenced`.
 */
export async function acknowledge(
  work: WakeWork,
  reference: Reference,
  { wake_id: wakeId, generation, acks = [], done = false }: Acknowledgement,
): Promise<Settled> {
  const positions = acks.map(({ stream, offset }) => {
    const position = positionIn(offset)
    if (position === undefined) {
      throw invalidSubscription(
        'acks',
        `${JSON.stringify(offset)} is no offset. Send one that a read returned.`,
      )
    }
    return { path: stream, position }
  })
  const fence = await fenceOf(work, reference, { wakeId, generation })
  return await settled(work, fence, positions, done)
}

/** Ends the wake without an acknowledgement. @throws {Problem} as `acknowledge`. */
export async function release(
  work: WakeWork,
  reference: Reference,
  given: { readonly wake_id: string; readonly generation: number },
): Promise<Settled> {
  const fence = await fenceOf(work, reference, { wakeId: given.wake_id, generation: given.generation })
  return await settled(work, fence, [], true)
}

async function settled(
  { database }: WakeWork,
  fence: Fence,
  acks: Parameters<typeof rows.settle>[2],
  done: boolean,
): Promise<Settled> {
  const { outcome, nextWake, streamIds } = await rows.settle(database, fence, acks, done)
  if (outcome === 'beyond') throw offsetBeyond()
  if (outcome !== 'settled') throw fenced()
  return { nextWake, streams: streamIds ?? [] }
}

async function fenceOf(
  { database, tokens }: WakeWork,
  { id, token, use }: Reference,
  given: { readonly wakeId: string; readonly generation: number },
): Promise<Fence> {
  const scope = token === undefined ? undefined : tokens.verify(token, use)
  if (!scope) throw wakeTokenInvalid()
  const { workspace, uid, generation } = scope
  const found = await inWorkspace(database, workspace, client =>
    rows.selectSubscription(client, workspace, id),
  )
  if (!found) throw fenced()
  // The token of another subscription, perhaps of a deleted one that had this id.
  if (found.uid !== uid) throw wakeTokenInvalid()
  if (generation !== given.generation) throw fenced()
  return { uid: found.uid, ...given }
}
