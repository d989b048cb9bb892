/**
 * A real control plane of Kubernetes for one test: etcd and kube-apiserver with RBAC and the admission that it has by default, on
 * free ports of the loopback. There are no controllers, no scheduler and no nodes: kubelet.ts plays them.
 *
 * `npm run test:kubernetes` builds kube-apiserver when it is missing (scripts/kube-apiserver.mjs). etcd is Debian's etcd-server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CoordinationV1Api,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  loadAllYaml,
} from '@kubernetes/client-node'
import type { Test } from 'tap'
import { packageRoot } from '../../../src/process/package-root.js'
import { type Certificate, certificateFor } from '../certificates.js'
import { freePort } from '../port.js'
import { findProgram } from '../program.js'
import { until } from '../until.js'

const READY_MS = 90_000
const ADMIN = 'the-token-of-the-admin'

export interface ControlPlane {
  readonly url: string
  /** A folder of the test. */
  readonly folder: string
  /** Of the API server, for the loopback. The kubelet may use it too. */
  readonly certificate: Certificate
  /** May do everything. */
  readonly admin: KubeConfig
  readonly core: CoreV1Api
  readonly coordination: CoordinationV1Api
  /** Creates everything in the YAML files of a folder of the repository. */
  apply(folder: string): Promise<void>
  /** Writes a kubeconfig with a token of the service account. @param server default: the API server itself. @returns its path. */
  kubeconfigOf(namespace: string, serviceAccount: string, server?: string): Promise<string>
  /** SIGKILL. */
  stop(): Promise<void>
  /** Again, on the same port. Resolves when it is ready. */
  start(): Promise<void>
}

/** Ends with the test, and with the process of the test even if that is killed. */
export async function startControlPlane(t: Test): Promise<ControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-kubernetes-'))
  const certificate = await certificateFor(['IP:127.0.0.1', 'DNS:localhost'], folder)
  const at = (name: string) => join(folder, name)
  const publicKey = createPublicKey(certificate.key).export({ type: 'spki', format: 'pem' })
  await writeFile(at('public.pem'), publicKey)
  await writeFile(at('tokens.csv'), `${ADMIN},admin,1,"system:masters"\n`)
  const [clients, peers, port] = [await freePort(), await freePort(), await freePort()]
  const store = `http://127.0.0.1:${clients}`
  const etcd = run(at('etcd.log'), findProgram(['etcd']) ?? 'etcd', [
    `--data-dir=${at('etcd')}`,
    `--listen-client-urls=${store}`,
    `--advertise-client-urls=${store}`,
    `--listen-peer-urls=http://127.0.0.1:${peers}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peers}`,
    `--initial-cluster=default=http://127.0.0.1:${peers}`,
  ])
  let server: ChildProcess | undefined
  const url = `https://127.0.0.1:${port}`
  const configOf = (token: string, address = url) => {
    const config = new KubeConfig()
    config.loadFromClusterAndUser(
      { name: 'test', server: address, caFile: at('ca.pem'), skipTLSVerify: false },
      { name: 'user', token },
    )
    return config
  }
  const admin = configOf(ADMIN)
  const plane: ControlPlane = {
    url,
    folder,
    certificate,
    admin,
    core: admin.makeApiClient(CoreV1Api),
    coordination: admin.makeApiClient(CoordinationV1Api),
    async apply(path) {
      const objects = KubernetesObjectApi.makeApiClient(admin)
      for (const object of await manifestsIn(path)) await objects.create(object)
    },
    async kubeconfigOf(namespace, serviceAccount, address) {
      const { status } = await plane.core.createNamespacedServiceAccountToken({
        namespace,
        name: serviceAccount,
        body: { spec: { audiences: [], expirationSeconds: 3_600 } },
      })
      const file = at(`${namespace}-${serviceAccount}-${Date.now()}.json`)
      await writeFile(file, configOf(status?.token ?? '', address).exportConfig())
      return file
    },
    async stop() {
      if (!server) return
      server.kill('SIGKILL')
      await once(server, 'exit')
      server = undefined
    },
    async start() {
      server = run(at('kube-apiserver.log'), program(), [
        `--etcd-servers=${store}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${port}`,
        `--tls-cert-file=${at('cert.pem')}`,
        `--tls-private-key-file=${at('key.pem')}`,
        `--cert-dir=${at('certificates')}`,
        `--service-account-key-file=${at('public.pem')}`,
        `--service-account-signing-key-file=${at('key.pem')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        '--service-cluster-ip-range=10.0.0.0/24',
        '--authorization-mode=RBAC',
        `--token-auth-file=${at('tokens.csv')}`,
        '--endpoint-reconciler-type=none',
        '--kubelet-preferred-address-types=InternalIP',
        `--kubelet-certificate-authority=${at('ca.pem')}`,
        '--min-request-timeout=1800',
      ])
      const exited = once(server, 'exit').then(async () => {
        const log = await readFile(at('kube-apiserver.log'), 'utf8')
        throw new Error(`kube-apiserver ended:\n${log.slice(-2_000)}`)
      })
      exited.catch(() => undefined)
      await Promise.race([
        until('the API server is ready', () => isReady(url, certificate.ca), READY_MS),
        exited,
      ])
    },
  }
  t.teardown(async () => {
    await plane.stop()
    etcd.kill('SIGKILL')
    await once(etcd, 'exit')
    await rm(folder, { recursive: true, force: true, maxRetries: 20 })
  })
  await plane.start()
  return plane
}

export async function manifestsIn(folder: string) {
  const index = await readFile(join(packageRoot, folder, 'kustomization.yaml'), 'utf8')
  const names = [...index.matchAll(/^ {2}- (\S+\.yaml)$/gm)].map(([, name = '']) => name)
  const texts = await Promise.all(names.map(name => readFile(join(packageRoot, folder, name), 'utf8')))
  return texts.flatMap(text => loadAllYaml(text))
}

function program(): string {
  const path = process.env.KUBE_APISERVER
  if (path) return path
  throw new Error('KUBE_APISERVER is not set. `npm run test:kubernetes` builds kube-apiserver and sets it.')
}

function run(log: string, path: string, args: readonly string[]): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const file = createWriteStream(log, { flags: 'a' })
  child.stdout.pipe(file, { end: false })
  child.stderr.pipe(file, { end: false })
  return child
}

function isReady(url: string, ca: string): Promise<boolean> {
  return new Promise(resolve => {
    const options = { ca, headers: { authorization: `Bearer ${ADMIN}` }, timeout: 2_000 }
    const request = https.get(`${url}/readyz`, options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false)).on('timeout', () => request.destroy())
  })
}
