/**
 * A full disk and a wrong clock for a Postgres of a test: a library (shortages.c) that is loaded into the server, and the file
 * that tells it what is wrong right now. Linux with a C compiler; no rights are needed.
 */
import { execFile } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../src/process/package-root.js'
import { findProgram } from './program.js'

const run = promisify(execFile)

const SOURCE = join(packageRoot, 'test', 'harness', 'shortages.c')
/** Those of `struct shortages`. */
const BYTES = 16

export interface Shortage {
  /** Seconds by which the clock of the server is ahead; negative: behind. */
  readonly clockAheadS?: number
  /** Whether no file outside of `pg_wal` can grow. */
  readonly dataFull?: boolean
  /** Whether no file in `pg_wal` can grow, so that there is no new segment of the WAL. */
  readonly walFull?: boolean
}

export interface Shortages {
  /** For `preparePostgres`: a program that starts this `postgres` with the library. */
  wrap(postgres: string): Promise<string>
  /** What is wrong from now on, and nothing else. */
  set(shortage: Shortage): void
}

/** For `t.test(name, { skip: withoutShortages() }, …)`: false where they can be made, else the reason. */
export function withoutShortages(): string | false {
  if (process.platform !== 'linux') return 'shortages are made with LD_PRELOAD and /proc'
  return compiler() === undefined && 'there is no C compiler (apt-get install gcc)'
}

/** Compiles the library. It is removed when `t` ends. */
export async function prepareShortages(t: Pick<Test, 'teardown'>): Promise<Shortages> {
  // Not the folder of the server: no program may run from memory on some machines.
  const folder = await mkdtemp(join(tmpdir(), 'sluice-shortages-'))
  await chmod(folder, 0o755)
  const [library, file] = [join(folder, 'shortages.so'), join(folder, 'now')]
  await run(compiler() ?? 'cc', ['-O1', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'])
  await writeFile(file, Buffer.alloc(BYTES), { mode: 0o644 })
  const written = openSync(file, 'r+')
  t.teardown(async () => {
    closeSync(written)
    await rm(folder, { recursive: true, force: true })
  })
  return {
    async wrap(postgres) {
      const program = join(folder, 'postgres')
      await writeFile(
        program,
        `#!/bin/sh\nexec env SHORTAGES='${file}' LD_PRELOAD='${library}' '${postgres}' "$@"\n`,
        {
          mode: 0o755,
        },
      )
      return program
    },
    set({ clockAheadS = 0, dataFull = false, walFull = false }) {
      const bytes = Buffer.alloc(BYTES)
      bytes.writeBigInt64LE(BigInt(clockAheadS))
      bytes.writeInt32LE(Number(dataFull), 8)
      bytes.writeInt32LE(Number(walFull), 12)
      writeSync(written, bytes, 0, BYTES, 0)
    },
  }
}

function compiler(): string | undefined {
  return findProgram(['cc', 'gcc'])
}
