/** What concerns all workspaces is for the admins of one of them, if the configuration names it (OPERATOR_WORKSPACE). */
import type { FastifyRequest } from 'fastify'
import { Problem } from '../src/problems/problem.js'

export interface OperatorOptions {
  /** The workspace of the operators; undefined: the admins of every workspace are operators. */
  readonly operatorWorkspace: string | undefined
}

/** @param detail why the caller is refused, and the remedy. @throws {Problem} 403 `operators-only`. */
export function assertOperator(
  { principal }: FastifyRequest,
  { operatorWorkspace }: OperatorOptions,
  detail: string,
): void {
  if (operatorWorkspace === undefined || principal.workspace === operatorWorkspace) return
  throw new Problem(403, 'operators-only', detail)
}
