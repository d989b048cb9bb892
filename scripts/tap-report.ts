/**
 * A short report of a TAP stream whose outermost tests are files: one line for each file that passed; for a file that
 * failed, exactly the failures, with the names of the tests around them and their diagnostics. It also keeps the counts.
 *
 * The lines of a file are kept until the file ends. The lines of a subtest are dropped when it passes, so only those of
 * failures are left at the end. The seeds of random input are shown of files that passed too: without them a run cannot be repeated.
 */

const SUBTEST = /^( *)# Subtest: /
const RESULT = /^( *)(not )?ok \d+(?: - (.*))?$/
const DIAGNOSTICS = /^( +)---$/
const UNFINISHED = /# (SKIP|TODO)\b/i
const TIME = / # time=([\d.]+)ms$/
/** In the name of a test or in a comment; `test/harness/seed.ts` reads it from the environment. */
const SEED = /\bSLUICE_SEED=\d{1,16}\b/
const SLOWEST = 10
const BAIL = /^ *Bail out! ?(.*)/

export interface Counts {
  readonly passed: number
  readonly failed: number
  /** Tests that were skipped or are still to do. */
  readonly skipped: number
}

export class TapReport {
  /** With --bail, the name of the first failure, after which tap stopped. */
  bailedBy: string | undefined
  readonly #counts = { passed: 0, failed: 0, skipped: 0 }
  readonly #print: (line: string) => void
  #file = ''
  #kept: string[] = []
  /** Tests that have begun, from the file inwards: their indentation, and where their lines begin in `#kept`. */
  #open: { readonly indent: number; readonly start: number; readonly failedBefore: number }[] = []
  #skips: string[] = []
  readonly #seeds = new Set<string>()
  #endOfDiagnostics: string | undefined
  #wanted = true
  readonly #times: { readonly file: string; readonly seconds: number }[] = []

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  /** The counts of the lines so far. */
  get counts(): Counts {
    return { ...this.#counts }
  }

  /** Takes one line of the stream. */
  add(line: string): void {
    const [, diagnosed] = DIAGNOSTICS.exec(line) ?? []
    const [, subtest] = SUBTEST.exec(line) ?? []
    const result = RESULT.exec(line)
    const [seed] = SEED.exec(line) ?? []
    if (seed !== undefined) this.#seeds.add(seed)
    if (this.#endOfDiagnostics !== undefined) this.#diagnostics(line)
    else if (diagnosed !== undefined) this.#endOfDiagnostics = `${diagnosed}...`
    else if (subtest !== undefined) this.#begin(line, subtest.length)
    else if (result) this.#end(line, result[1]?.length ?? 0, result[2] === undefined, result[3] ?? '')
    else if (BAIL.test(line)) this.bailedBy ??= BAIL.exec(line)?.[1] ?? ''
  }

  /** Shows where the time of a run of many files went. */
  showSlowest(): void {
    if (this.#times.length <= SLOWEST) return
    const sum = this.#times.reduce((total, { seconds }) => total + seconds, 0)
    this.#print(
      `The ${SLOWEST} slowest of ${this.#times.length} files, which took ${sum.toFixed(0)} s in total:`,
    )
    const slowest = this.#times.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST)
    for (const { file, seconds } of slowest) this.#print(`${seconds.toFixed(1).padStart(7)} s  ${file}`)
  }

  #diagnostics(line: string): void {
    if (line === this.#endOfDiagnostics) this.#endOfDiagnostics = undefined
    else if (this.#wanted && this.#open.length > 0) this.#kept.push(line)
    else if (this.#wanted) this.#print(line)
  }

  #begin(line: string, indent: number): void {
    this.#open.push({ indent, start: this.#kept.length, failedBefore: this.#counts.failed })
    if (indent > 0) this.#kept.push(line)
    else this.#file = line.replace(SUBTEST, '')
  }

  #end(line: string, indent: number, ok: boolean, name: string): void {
    const test = this.#open.at(-1)?.indent === indent ? this.#open.pop() : undefined
    if (UNFINISHED.test(name)) this.#skips.push(name)
    this.#count(ok, UNFINISHED.test(name), test?.failedBefore)
    if (ok && test) this.#kept.length = test.start
    // The diagnostics of a test matter only when none inside it says why.
    const heading = indent > 0 ? 1 : 0
    this.#wanted = !ok && (test === undefined || this.#kept.length === test.start + heading)
    if (!ok && indent > 0) this.#kept.push(line)
    if (indent === 0) this.#endFile(ok, name)
  }

  /** @param failedBefore for a test that ends: the failures before it began; those inside it are counted already. */
  #count(ok: boolean, unfinished: boolean, failedBefore?: number): void {
    if (unfinished) this.#counts.skipped += 1
    else if (!ok)
      this.#counts.failed += failedBefore === undefined || failedBefore === this.#counts.failed ? 1 : 0
    else if (failedBefore === undefined) this.#counts.passed += 1
  }

  #endFile(ok: boolean, name: string): void {
    const seconds = Number(TIME.exec(name)?.[1] ?? 0) / 1_000
    const result = name.replace(TIME, '')
    // The result of a file that was killed is named "timeout!".
    const title = result.startsWith(this.#file) ? result : `${this.#file}: ${result}`
    const facts = [`${seconds.toFixed(1)} s`, ...this.#seeds].join(', ')
    this.#print(`${ok ? 'ok    ' : 'FAILED'} ${title} (${facts})`)
    this.#times.push({ file: this.#file, seconds })
    for (const skip of this.#skips) if (skip !== name) this.#print(`       ${skip}`)
    for (const line of this.#kept) this.#print(line)
    this.#file = ''
    this.#kept = []
    this.#open = []
    this.#skips = []
    this.#seeds.clear()
  }
}
