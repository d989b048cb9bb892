/**
 * The interface that src/ needs of the process's logger: pino's first three signatures. Nothing here writes lines of
 * its own.
 */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
