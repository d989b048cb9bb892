/** The flags of Node with which this process was started: those in NODE_OPTIONS, then those of its command line. The last of two counts. */
export function nodeFlags(): string {
  return [process.env.NODE_OPTIONS ?? '', ...process.execArgv].join(' ')
}
