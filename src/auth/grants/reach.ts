/**
 * The part of its workspace that a principal may read, for row-level security behind the check of the gateway: transactions that
 * read for one principal show no stream and no job that its grants leave out, even if a route has forgotten to ask.
 */
import type { Reach } from '../../database/workspace.js'
import type { Principal } from '../principal.js'
import type { StreamAction } from './decision.js'

/** @param action `publish` for a read on behalf of a write, whose answer does not show what was read. */
export function reachOf(
  { workspace, grants }: Pick<Principal, 'workspace' | 'grants'>,
  action: StreamAction = 'subscribe',
): Reach {
  return { workspace, streams: grants?.[action] }
}
