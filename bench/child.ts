/** The processes that a bench starts. None outlives the bench, however it ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { on, once } from 'node:events'

const STOP_DEADLINE_MS = 40_000

const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return watch(spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options }))
}

export function watch(child: ChildProcess): ChildProcess {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Asks the process to end, waits until it has ended, and kills it if it does not. */
export async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
  await ended
  clearTimeout(late)
}

/** The process's output once it contains `until`. */
export async function outputOf(child: ChildProcess, until: string): Promise<string> {
  let text = ''
  child.stdout?.setEncoding('utf8')
  for await (const [chunk] of on(child.stdout ?? child, 'data', { close: ['end'] })) {
    text += chunk
    if (text.includes(until)) return text
  }
  throw new Error(`The server did not start:\n${text}`)
}
