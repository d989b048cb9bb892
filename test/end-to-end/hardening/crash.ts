/** For `--import`: at SIGWINCH the process throws what nobody catches, an error as the worst library would make it. */
process.on('SIGWINCH', () => {
  const { CRASH_MESSAGE = '', CRASH_DETAIL = '' } = process.env
  const cause = new Error(CRASH_MESSAGE)
  const error = new Error(`${CRASH_MESSAGE}\n\u001b[2J`, { cause })
  throw Object.assign(error, { connectionString: CRASH_MESSAGE, detail: CRASH_DETAIL })
})
