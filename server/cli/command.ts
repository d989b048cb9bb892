/** What the commands have in common: `--help`, their errors and their exit codes. */
import { cleanLines } from '../../src/logging/redaction.js'
import { UsageError } from '../../src/process/usage.js'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Command {
  /** Printed for `--help`, and after an error of usage. */
  readonly usage: string
  readonly args: readonly string[]
  /** @returns false if a part of it was refused; the reason is written by then. @throws {UsageError} */
  run(): Promise<boolean | undefined>
  /** The text of an error for a person. Default: its message. */
  explain?(error: unknown): string
  /** Whether the command cannot run as it was called, though its arguments are right. */
  isMisuse?(error: unknown): boolean
}

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function runCommand({
  usage,
  args,
  run,
  explain = messageOf,
  isMisuse,
}: Command): Promise<0 | 1 | 2> {
  try {
    if (args.includes('--help') || args.includes('-h')) {
      process.stdout.write(usage)
      return 0
    }
    return (await run()) === false ? 1 : 0
  } catch (error) {
    const isUsage = error instanceof UsageError
    const text = cleanLines(isUsage ? error.message : explain(error))
    process.stderr.write(isUsage ? `${text}\n\n${usage}` : `${text}\n`)
    return isUsage || isMisuse?.(error) ? 2 : 1
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
