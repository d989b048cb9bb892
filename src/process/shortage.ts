/**
 * A resource of the system that is short: file descriptors, processes, memory, disk. It passes by itself or when an operator
 * makes room; nothing is wrong with the request or the command that met it.
 */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE: 'file descriptors of this process',
  ENFILE: 'file descriptors of the machine',
  EAGAIN: 'processes or threads',
  ENOMEM: 'memory',
  ENOBUFS: 'memory for sockets',
  ENOSPC: 'disk space',
  EDQUOT: 'disk space of this user',
}

/** What is short, for a person; undefined when the error has another cause. */
export function shortageIn(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return Object.hasOwn(SHORTAGES, error.code) ? SHORTAGES[error.code] : undefined
}
