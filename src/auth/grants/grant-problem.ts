/** The refusals of grants. Reading a stream that is left out is 404 like one that does not exist; writing has codes of its own. */
import { Problem } from '../../problems/problem.js'

/** The same whether the stream exists or not. */
export function publishNotGranted(): Problem {
  const detail =
    'Your grants do not let you write this to this stream. Write to a stream in `publish` of your grants, and types in their ' +
    '`types`, or ask an admin for wider grants.'
  return new Problem(403, 'publish-not-granted', detail)
}

/** For a route that concerns all streams of the workspace. */
export function workspaceNotGranted(): Problem {
  const detail =
    'This concerns the whole workspace, and your grants limit you to some of its streams. Use credentials without grants.'
  return new Problem(403, 'workspace-not-granted', detail)
}

/** For credentials that would allow more than those with which they are made. */
export function grantsExceeded(): Problem {
  const detail =
    'Your own grants do not include all of these. Send `grants` whose streams and types are within your own; without `grants` ' +
    'the credentials would have none of your limits.'
  return new Problem(403, 'grants-exceeded', detail)
}
