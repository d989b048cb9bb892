/**
 * The thread of watchdog.ts. It shares nothing with the event loop that it watches but a few numbers: neither the logger, which writes
 * there, nor process.stdout, whose bytes pass through there. So it writes its lines itself.
 */
import { writeSync } from 'node:fs'
import { type Debugger, Session } from 'node:inspector'
import { hostname } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { printableJson } from '../logging/redaction.js'
import { PeriodicLoop } from './periodic-loop.js'
import { type Finding, PLACES, SilenceJudge, type WatchdogData } from './watchdog-data.js'

const STANDARD_OUTPUT = 1
const LEVELS = { warn: 40, error: 50 } as const
const MAX_FRAMES = 30
const MAX_NAME_CHARACTERS = 200
/** A line of at most this many characters reaches a pipe in one piece (PIPE_BUF), never within a line of the log. */
const MAX_STACK_CHARACTERS = 3_000

const { shared, tickMs, killMs, writes, blockMs } = workerData as WatchdogData
const judge = new SilenceJudge({ tickMs, blockMs, killMs })
let session: Session | undefined

// Nothing is ever sent here: a listener keeps the thread alive.
parentPort?.on('message', () => undefined)
new PeriodicLoop({ name: 'Watching the event loop', everyMs: tickMs, turn: watch }).start()

function watch(): void {
  if (Atomics.load(shared, PLACES.debugged) === 1) return
  const finding = judge.tick(Atomics.load(shared, PLACES.beats), performance.now())
  if (finding) act(finding)
}

function act({ found, ms }: Finding): void {
  const fields = { blockedMs: Math.round(ms) }
  switch (found) {
    case 'blocked':
      Atomics.add(shared, PLACES.blocks, 1)
      interrupt(stack => write('warn', { ...fields, stack }, 'The event loop is blocked, and serves nobody.'))
      break
    case 'ended':
      leave()
      Atomics.add(shared, PLACES.blockedMs, fields.blockedMs)
      write('warn', fields, 'The event loop turns again.')
      break
    case 'stuck':
      write(
        'error',
        fields,
        'The event loop stays blocked: this worker ends, and another one takes its place.',
      )
      process.kill(process.pid, 'SIGKILL')
  }
}

/**
 * Stops the event loop for a moment, to see where it is. Works in a loop of JavaScript; a native function, such as JSON.parse, is only
 * seen when it returns.
 */
function interrupt(onStack: (stack: string) => void): void {
  leave()
  try {
    const own = new Session()
    session = own
    own.connectToMainThread()
    const scripts = new Map<string, string>()
    own.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url))
    own.on('Debugger.paused', ({ params }) => {
      own.post('Debugger.resume')
      onStack(stackOf(params.callFrames, scripts))
      // Later: the session is delivering this event.
      setImmediate(() => session === own && leave())
    })
    own.post('Debugger.enable')
    own.post('Debugger.pause')
  } catch {
    // A Node without an inspector, or one that is switched off.
    onStack('unknown')
  }
}

function leave(): void {
  session?.disconnect()
  session = undefined
}

function stackOf(frames: readonly Debugger.CallFrame[], scripts: ReadonlyMap<string, string>): string {
  const lines = frames.slice(0, MAX_FRAMES).map(({ functionName, location }) => {
    const file = (scripts.get(location.scriptId) ?? '')
      .replace(/^file:\/\//, '')
      .slice(0, MAX_NAME_CHARACTERS)
    const place = `${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`
    return `at ${functionName === '' ? place : `${functionName} (${place})`}`
  })
  return lines.join('\n').slice(0, MAX_STACK_CHARACTERS)
}

function write(level: keyof typeof LEVELS, fields: object, msg: string): void {
  if (!writes) return
  const line = {
    level: LEVELS[level],
    time: Date.now(),
    pid: process.pid,
    hostname: hostname(),
    ...fields,
    msg,
  }
  try {
    writeSync(STANDARD_OUTPUT, `${printableJson(JSON.stringify(line))}\n`)
  } catch {
    // A full pipe or disk costs the line.
  }
}
