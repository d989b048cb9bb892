/** Routes that concern all workspaces are for the admins of one of them, if the configuration names it (OPERATOR_WORKSPACE). */
import type { FastifyRequest } from 'fastify'
import { Problem } from '../src/problems/problem.js'

export interface OperatorOptions {
  /** The workspace of the operators; undefined: the admins of every workspace are operators. */
  readonly operatorWorkspace: string | undefined
}

/** Whether the caller may see what concerns all workspaces. */
export function isOperator({ principal }: FastifyRequest, { operatorWorkspace }: OperatorOptions): boolean {
  return operatorWorkspace === undefined || principal.workspace === operatorWorkspace
}

/** @param detail why the caller is refused, and the remedy. @throws {Problem} 403 `operators-only`. */
export function assertOperator(request: FastifyRequest, options: OperatorOptions, detail: string): void {
  if (isOperator(request, options)) return
  throw new Problem(403, 'operators-only', detail)
}

/** @throws {Problem} 403 `operators-only`. */
export function assertMayReadMetrics(request: FastifyRequest, options: OperatorOptions): void {
  const detail = 'The metrics are about all workspaces. Ask the operator of this gateway for them.'
  assertOperator(request, options, detail)
}
