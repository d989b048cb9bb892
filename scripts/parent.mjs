// For programs that npm starts: npm passes a SIGTERM only to its shell, and most shells end without passing it on, so the
// program would keep its port unnoticed. This module checks whether the parent is still the process that started the
// program; if not, it sends the program a SIGTERM. It has no effect on Windows, where the parent never changes.
const LOOK_EVERY_MS = 250
const parent = process.ppid

// A worker of the program notices the end of its parent by its channel.
if (process.send === undefined) {
  const looking = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(looking)
    process.kill(process.pid, 'SIGTERM')
  }, LOOK_EVERY_MS).unref()
}
