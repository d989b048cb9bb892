/**
 * A resource of the system that is short: file descriptors, processes, memory, disk. The shortage ends by itself or
 * when an operator makes room; the request or command that met it is not at fault.
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

/** The short resource, for a person; undefined if the error has another cause. */
export function shortageIn(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return Object.hasOwn(SHORTAGES, error.code) ? SHORTAGES[error.code] : undefined
}
