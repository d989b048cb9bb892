/** An error as a text for a person (what happened, then what to do) and an exit code. */
import { ExitCode, Failure } from './exit-code.js'

export function failureOf(error: unknown): { readonly text: string; readonly exitCode: number } {
  if (error instanceof Failure) return { text: error.message, exitCode: error.exitCode }
  return { text: error instanceof Error ? error.message : String(error), exitCode: ExitCode.failed }
}
