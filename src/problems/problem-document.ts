/**
 * A Problem on the wire: the problem document of RFC 9457. Clients decide by `code`; `type` repeats it as an absolute URI
 * that promises no page (§3.1.1).
 */
import Type, { type Static } from 'typebox'
import type { Problem } from './problem.js'
import { ProblemMembers } from './problem-members.js'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

export const ProblemDocument = Type.Object(
  {
    type: Type.String({ format: 'uri', examples: ['urn:sluice:problem:not-found'] }),
    title: Type.String({ description: 'The code in words.', examples: ['Not found'] }),
    status: Type.Integer({ description: 'The HTTP status.', examples: [404] }),
    code: Type.String({ description: 'Stable: programs decide by it.', examples: ['not-found'] }),
    detail: Type.String({ description: 'What happened and what to do about it, for people.' }),
    request_id: Type.String({
      description: "Identifies the request in the gateway's log; also sent as `X-Request-Id`.",
    }),
    ...ProblemMembers.properties,
  },
  { title: 'Problem', description: 'A problem document (RFC 9457).' },
)
export type ProblemDocument = Static<typeof ProblemDocument>

/** The document of `problem`, its further members included. */
export function problemDocument(problem: Problem, requestId: string): ProblemDocument {
  const { status, code, detail, members } = problem
  return {
    type: `urn:sluice:problem:${code}`,
    title: inWords(code),
    status,
    code,
    detail,
    request_id: requestId,
    ...members,
  }
}

/** `token-expired` → `Token expired`. */
function inWords(code: string): string {
  return code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ')
}
