/**
 * The contexts of `sluice login`: named gateways, each with a credential, in XDG_CONFIG_HOME/sluice/contexts.json. The file holds
 * secrets, so only its owner may read it (600, in a folder 700); it is repaired with a warning if others could. It is replaced as a
 * whole, so that a crash leaves the old or the new one.
 */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { UsageError } from '../../../src/process/usage.js'
import { Failure } from '../exit-code.js'
import type { Environment } from '../option.js'
import { withFileLock } from './file-lock.js'

export interface Context {
  /** The gateway's root. */
  readonly url: string
  /** A token or an API key. */
  readonly token: string
}

export interface Contexts {
  /** The name of the one that is used by default. */
  readonly current: string | undefined
  readonly byName: ReadonlyMap<string, Context>
}

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/** A file of a thousand contexts is smaller. */
const MAX_BYTES = 4 * 1024 * 1024

export class ContextFile {
  readonly path: string
  readonly #warn: (text: string) => Promise<void>

  constructor(env: Environment, warn: (text: string) => Promise<void>) {
    this.path = join(configFolder(env), 'contexts.json')
    this.#warn = warn
  }

  /** @returns no contexts if there is no file. @throws {Failure} if it cannot be used. */
  async read(): Promise<Contexts> {
    try {
      await this.#repair(dirname(this.path), FOLDER_MODE)
      await this.#repair(this.path, FILE_MODE)
      const { size } = await stat(this.path)
      if (size > MAX_BYTES) throw new Failure(this.#unusable(`it has more than ${MAX_BYTES} bytes`))
      return this.#parse(await readFile(this.path, 'utf8'))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { current: undefined, byName: new Map() }
      if (error instanceof Failure) throw error
      throw new Failure(this.#unusable(error instanceof Error ? error.message : String(error)))
    }
  }

  /** Changes the contexts as they are now: processes that do so at once do it one after another. @throws {Failure} */
  async change(changed: (contexts: Contexts) => Contexts): Promise<void> {
    try {
      await mkdir(dirname(this.path), { recursive: true, mode: FOLDER_MODE })
      await this.#repair(dirname(this.path), FOLDER_MODE)
      await withFileLock(`${this.path}.lock`, async () => this.#write(changed(await this.read())))
    } catch (error) {
      if (error instanceof Failure || error instanceof UsageError) throw error
      throw new Failure(
        `Cannot write ${this.path}: ${error instanceof Error ? error.message : String(error)}. Set XDG_CONFIG_HOME to a folder that you may write, or use SLUICE_URL and SLUICE_TOKEN.`,
      )
    }
  }

  async #write({ current, byName }: Contexts): Promise<void> {
    const document = { version: 1, current: current ?? null, contexts: Object.fromEntries(byName) }
    const unfinished = `${this.path}.${randomBytes(6).toString('hex')}`
    try {
      const file = await open(unfinished, 'wx', FILE_MODE)
      try {
        await file.writeFile(`${JSON.stringify(document, null, 2)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(unfinished, this.path)
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined)
      throw error
    }
  }

  /** Windows has no such modes. */
  async #repair(path: string, mode: number): Promise<void> {
    if (process.platform === 'win32') return
    const found = await lstat(path)
    const target = found.isSymbolicLink() ? await stat(path) : found
    this.#requireOwner(path, target)
    const wider = target.mode & 0o777 & ~mode
    if (wider === 0) return
    await chmod(path, mode)
    await this.#warn(
      `${path} could be used by others (mode ${octal(target.mode)}); its mode is ${octal(mode)} now. If others have an account here, replace its credentials.`,
    )
  }

  #requireOwner(path: string, { uid }: Stats): void {
    const own = process.getuid?.()
    if (uid === own) return
    throw new Failure(
      `${path} belongs to user ${uid}, so its contexts are not used. Set XDG_CONFIG_HOME to a folder of your own.`,
    )
  }

  #parse(text: string): Contexts {
    const document: unknown = jsonOf(text)
    const { version, current, contexts } = Object(document)
    if (typeof version === 'number' && version > 1) {
      throw new Failure(
        `${this.path} is from a newer version of sluice. Update this one, or set XDG_CONFIG_HOME to another folder.`,
      )
    }
    if (version !== 1 || typeof contexts !== 'object' || contexts === null) {
      throw new Failure(this.#unusable('it holds no contexts, or only a part of them'))
    }
    const byName = new Map<string, Context>()
    for (const [name, value] of Object.entries(contexts)) {
      const { url, token } = Object(value)
      if (typeof url !== 'string' || typeof token !== 'string') {
        throw new Failure(this.#unusable(`its context ${JSON.stringify(name)} has no url or no token`))
      }
      byName.set(name, { url, token })
    }
    return { current: typeof current === 'string' ? current : undefined, byName }
  }

  #unusable(reason: string): string {
    return `${this.path} cannot be used: ${reason}. Mend it, or remove it and log in again with \`sluice login\`.`
  }
}

/** @throws {UsageError} if there is none of this name. */
export function contextNamed({ byName }: Contexts, name: string): Context {
  const context = byName.get(name)
  if (context) return context
  throw new UsageError(
    name === ''
      ? 'No context is in use. `sluice context list` shows all.'
      : `There is no context ${name}. \`sluice context list\` shows all.`,
  )
}

/** @throws {UsageError} if there is none of this name. */
export function withoutContext(contexts: Contexts, name: string): Contexts {
  contextNamed(contexts, name)
  const byName = new Map(contexts.byName)
  byName.delete(name)
  return { current: contexts.current === name ? undefined : contexts.current, byName }
}

/** As in the XDG Base Directory Specification: a relative path is invalid and ignored. */
function configFolder({ XDG_CONFIG_HOME: configured = '', HOME: home }: Environment): string {
  return join(isAbsolute(configured) ? configured : join(home || homedir(), '.config'), 'sluice')
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
