/**
 * The logger of one request, which names the request in each line. Most requests write no line, and to make a child of pino's
 * logger costs more than to make this object: the child is made for the first line that is written.
 */
import { type BaseLogger, type Bindings, type ChildLoggerOptions, type Level, levels } from 'pino'

export interface ParentLog extends Pick<BaseLogger, Level | 'level' | 'silent'> {
  child(bindings: Bindings, options?: ChildLoggerOptions): ParentLog
  /** Whether a line of this level would be written. Loggers other than pino may lack it: then every line makes the child. */
  isLevelEnabled?(level: string): boolean
}

export class RequestLog implements ParentLog {
  readonly #parent: ParentLog
  #bindings: Bindings
  /** The level of the route, if it has one of its own. */
  readonly #level: string | undefined
  #made: ParentLog | undefined

  constructor(parent: ParentLog, bindings: Bindings, level?: string) {
    this.#parent = parent
    this.#bindings = bindings
    this.#level = level
  }

  /** Names more of the request in each line that follows. */
  bind(bindings: Bindings): void {
    this.#bindings = { ...this.#bindings, ...bindings }
    this.#made = undefined
  }

  get level(): string {
    return this.#child.level
  }

  set level(level: string) {
    this.#child.level = level
  }

  fatal(...line: unknown[]): void {
    this.#write('fatal', line)
  }

  error(...line: unknown[]): void {
    this.#write('error', line)
  }

  warn(...line: unknown[]): void {
    this.#write('warn', line)
  }

  info(...line: unknown[]): void {
    this.#write('info', line)
  }

  debug(...line: unknown[]): void {
    this.#write('debug', line)
  }

  trace(...line: unknown[]): void {
    this.#write('trace', line)
  }

  silent(): void {}

  child(bindings: Bindings, options?: ChildLoggerOptions): ParentLog {
    return this.#child.child(bindings, options)
  }

  isLevelEnabled(level: string): boolean {
    if (this.#made === undefined && this.#level !== undefined) return severity(level) >= severity(this.#level)
    return (this.#made ?? this.#parent).isLevelEnabled?.(level) ?? true
  }

  #write(level: Level, line: unknown[]): void {
    if (!this.isLevelEnabled(level)) return
    const child = this.#child
    Reflect.apply(child[level], child, line)
  }

  get #child(): ParentLog {
    this.#made ??=
      this.#level === undefined
        ? this.#parent.child(this.#bindings)
        : this.#parent.child(this.#bindings, { level: this.#level })
    return this.#made
  }
}

/** `silent`, and names that pino does not know, are above all levels. */
function severity(level: string): number {
  return levels.values[level] ?? Number.POSITIVE_INFINITY
}
