// A renamed test would otherwise go on running as stale JavaScript.
import { rmSync } from 'node:fs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
