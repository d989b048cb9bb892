/** A usage error of a program, in one line for a person; the program appends its usage. */
export class UsageError extends Error {}

/** The error of `parseArgs`, without its advice on arguments that begin with a dash. */
export function usageError(error: unknown): UsageError {
  const text = error instanceof Error ? error.message : String(error)
  return new UsageError(text.replace(/(\. To specify|\n)[\s\S]*$/, ''))
}
