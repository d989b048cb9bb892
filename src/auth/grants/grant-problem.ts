/** The refusals of grants. Reading a stream that is left out is 404 like one that does not exist; writing has codes of its own. */
import { Problem, unavailable } from '../../problems/problem.js'
import { Grants, type GrantsDocument, mayGive } from './grants.js'

/** The same whether the stream exists or not. */
export function publishNotGranted(): Problem {
  const detail =
    'Your grants do not let you write this to this stream. Write to a stream in `publish` of your grants, and types in their ' +
    '`types`, or ask an admin for wider grants.'
  return new Problem(403, 'publish-not-granted', detail)
}

/** For a request that has waited, and whose answer depends on grants that have changed meanwhile. */
export function grantsChanged(): Problem {
  return unavailable('grants-changed', 'Your grants have changed while the request waited. Send it again.', 1)
}

/** For a route that concerns all streams of the workspace. */
export function workspaceNotGranted(): Problem {
  const detail =
    'This concerns the whole workspace, and your grants limit you to some of its streams. Use credentials without grants.'
  return new Problem(403, 'workspace-not-granted', detail)
}

/**
 * The grants of credentials that a caller with the grants `own` makes; null: no limits.
 * @throws {Problem} 403 `grants-exceeded`, if they would allow more.
 */
export function grantsWithin(own: Grants | undefined, given: GrantsDocument | null): Grants | undefined {
  const grants = given ? Grants.of(given) : undefined
  if (!mayGive(own, grants)) throw grantsExceeded()
  return grants
}

function grantsExceeded(): Problem {
  const detail =
    'Your own grants do not include all of these. Send `grants` whose streams and types are within your own; without `grants` ' +
    'the credentials would have none of your limits.'
  return new Problem(403, 'grants-exceeded', detail)
}
