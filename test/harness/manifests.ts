/** The manifests of deploy/kubernetes, as kustomize builds them, and what the schemas of Kubernetes say of them. */
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { packageRoot } from '../../src/process/package-root.js'
import { read } from './document.js'

const run = promisify(execFile)
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1'
const FOLDER = 'deploy/kubernetes'
/** The packages with the schemas, by the group of an object; all other groups are those of Kubernetes itself. */
const SCHEMAS = [
  ['gateway.networking.k8s.io/', '@kubernetes-models/gateway-api'],
  ['monitoring.coreos.com/', '@kubernetes-models/prometheus-operator'],
  ['', 'kubernetes-models'],
] as const

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata?: {
    readonly name?: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
}

interface Model {
  validate(): void
}

/** For `t.test(name, { skip: withoutGo() }, …)`: false where it is there, else the reason. */
export function withoutGo(): string | false {
  return spawnSync('go', ['version']).status !== 0 && 'Go is not installed (apt-get install golang-go)'
}

/** The folders that `kubectl apply -k` takes, from the root of the package. */
export function kustomizations(): string[] {
  return readdirSync(join(packageRoot, FOLDER), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('kustomization.yaml'))
    .map(path => join(FOLDER, path))
    .filter(path => /^kind: Kustomization$/m.test(read(path)))
    .map(path => path.replace('/kustomization.yaml', ''))
    .sort()
}

/** Compiles kustomize, and builds all kustomizations with it. @returns their objects, by folder. */
export async function buildManifests(t: Test): Promise<ReadonlyMap<string, readonly Manifest[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-kustomize-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await run('go', ['install', KUSTOMIZE], { env: { ...process.env, GOBIN: folder } })
  const built = kustomizations().map(async path => {
    const { stdout } = await run(join(folder, 'kustomize'), ['build', path], { cwd: packageRoot })
    return [path, parseAllDocuments(stdout).map(document => document.toJS() as Manifest)] as const
  })
  return new Map(await Promise.all(built))
}

/** What is wrong with an object by its schema, unknown fields included. */
export async function schemaFaults(manifest: Manifest): Promise<string[]> {
  const name = `${manifest.kind} ${manifest.metadata?.name}`
  const [, schemas] = SCHEMAS.find(([group]) => manifest.apiVersion.startsWith(group)) ?? []
  const models = (await import(`${schemas}/${manifest.apiVersion}`)) as Readonly<
    Record<string, (new (data: Manifest) => Model) | undefined>
  >
  const Known = models[manifest.kind]
  if (!Known) return [`${name}: ${manifest.apiVersion} has no such kind`]
  const unread = new Set<string>()
  try {
    watched(new Known(manifest), '', unread).validate()
  } catch (error) {
    return [`${name}: ${error}`]
  }
  return [...unread].map(path => `${name}: the schema has no field ${path}`)
}

/**
 * The schemas allow unknown fields, so a misspelt one would be ignored. But a validator reads every field that its schema knows:
 * the paths that are left in `unread` afterwards are those of unknown ones.
 */
function watched<T extends object>(value: T, path: string, unread: Set<string>): T {
  for (const key of Object.keys(value)) unread.add(`${path}/${key}`)
  const children = new Map<string, unknown>()
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return found
      unread.delete(`${path}/${key}`)
      if (typeof found !== 'object' || found === null) return found
      if (!children.has(key)) children.set(key, watched(found, `${path}/${key}`, unread))
      return children.get(key)
    },
  })
}
