/** Loads the gateway and starts it. It is one file if it was built (scripts/compile.mjs), which loads in less than half of the time. */
import { existsSync } from 'node:fs'

const BUNDLE = new URL('../serve.bundle.mjs', import.meta.url)

/** Resolves when the gateway is starting; it lives until a signal ends it, and sets the exit code itself. */
export async function startServing(options: { readonly demo: boolean }): Promise<void> {
  const { serve }: typeof import('../serve.js') = existsSync(BUNDLE)
    ? await import(BUNDLE.href)
    : await import('../serve.js')
  serve(options)
}
