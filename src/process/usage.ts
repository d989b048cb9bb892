/** What is wrong with how a program was called, in one line for a person; the program adds its usage. */
export class UsageError extends Error {}

/** Of what `parseArgs` throws, the fault without the advice: nobody meant a name that begins with a dash. */
export function usageError(error: unknown): UsageError {
  const text = error instanceof Error ? error.message : String(error)
  return new UsageError(text.replace(/(\. To specify|\n)[\s\S]*$/, ''))
}
