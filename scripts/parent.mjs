// For programs that npm starts: npm hands a SIGTERM to its shell alone, and most shells die of it without a word to the
// program, which would go on unseen, on its port. Here it looks whether its parent is still the one that started it, and
// otherwise sends itself what the shell got. Without effect on Windows, where a parent stays the parent.
const LOOK_EVERY_MS = 250
const parent = process.ppid

// A worker of the program hears by its channel that its own parent has gone.
if (process.send === undefined) {
  const looking = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(looking)
    process.kill(process.pid, 'SIGTERM')
  }, LOOK_EVERY_MS).unref()
}
