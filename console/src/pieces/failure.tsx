/** A problem as people read it: what happened, what to do, and the next step. */
import type { ProblemError } from '../api/problem.ts'
import { Countdown } from './countdown.tsx'

export interface FailureProps {
  readonly failure: ProblemError
  /** When it is tried again by itself, in milliseconds since 1970. */
  readonly retryAt?: number | undefined
  readonly onRetry?: () => void
}

export function Failure({ failure, retryAt, onRetry }: FailureProps) {
  const { title, detail, errors, request_id } = failure.problem
  return (
    <div class="failure" role="alert">
      <h2>{title}</h2>
      <p>{detail}</p>
      {errors && (
        <ul>
          {errors.map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      <p class="row">
        {onRetry && (
          <button type="button" class="quiet" onClick={onRetry}>
            Try again
          </button>
        )}
        {retryAt !== undefined && (
          <span class="hint">
            Trying again <Countdown until={retryAt} />
          </span>
        )}
        {request_id && (
          <span class="hint">
            Request <code>{request_id}</code>
          </span>
        )}
      </p>
    </div>
  )
}
