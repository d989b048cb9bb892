/** A refusal of the gateway (application/problem+json, RFC 9457), or an answer that never came. */

export interface ProblemDocument {
  readonly title: string
  readonly status: number
  /** Stable: code decides by it. */
  readonly code: string
  /** What happened and what to do about it. */
  readonly detail: string
  readonly request_id?: string
  /** Seconds. */
  readonly retry_after?: number
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
  readonly head?: string
  readonly earliest?: string
}

export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  constructor(readonly problem: ProblemDocument) {
    super(problem.detail)
  }

  /** Whether the same request may succeed later. */
  get isTemporary(): boolean {
    const { status } = this.problem
    return status === 0 || status === 408 || status === 429 || status >= 500
  }
}

/** Nobody answered. */
export function unreachable(): ProblemError {
  return new ProblemError({
    title: 'The gateway does not answer',
    status: 0,
    code: 'unreachable',
    detail: 'Check that it runs and that you are online.',
  })
}

/** The problem that a response holds; a proxy's own answer has none, so its status has to do. */
export async function problemIn(response: Response): Promise<ProblemError> {
  const { status } = response
  const body: unknown = await response.json().catch(() => undefined)
  const document: Partial<ProblemDocument> = typeof body === 'object' && body !== null ? body : {}
  return new ProblemError({
    ...document,
    title: document.title ?? `Status ${status}`,
    status,
    code: document.code ?? '',
    detail: document.detail ?? `The server answered ${status} without a reason.`,
  })
}

export function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (error instanceof TypeError) return unreachable()
  return new ProblemError({
    title: 'The console failed',
    status: -1,
    code: 'console',
    detail: error instanceof Error ? error.message : String(error),
  })
}
