// `npm run test:kubernetes`: the tests of test/kubernetes/, on a real kube-apiserver and etcd. The first run builds kube-apiserver from
// its Go modules (test/harness/kubernetes/api-server/) into .build/: 10 to 20 minutes on two processors, and 3 GB of Go's cache. KUBE_APISERVER
// names another one. Arguments are passed on to the tests: npm run test:kubernetes -- --grep watch.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const module = join(root, 'test/harness/kubernetes/api-server')
const [, version] = /^\tk8s\.io\/kubernetes (\S+)$/m.exec(readFileSync(join(module, 'go.mod'), 'utf8')) ?? []
const built = join(root, '.build', `kube-apiserver-${version}`)

if (spawnSync('etcd', ['--version']).error) fail('etcd is not installed (apt-get install etcd-server).')
const program = process.env.KUBE_APISERVER || built
if (!existsSync(program)) build()
const args = [
  '--import',
  './scripts/parent.mjs',
  'dist/scripts/test.js',
  '--kubernetes',
  ...process.argv.slice(2),
]
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  env: { ...process.env, KUBE_APISERVER: program },
  stdio: 'inherit',
})
process.exitCode = status ?? 1

function build() {
  console.log(`Building kube-apiserver ${version}, which takes 10 to 20 minutes.`)
  mkdirSync(join(root, '.build'), { recursive: true })
  // A build that is interrupted leaves no program.
  const unfinished = `${built}.${process.pid}`
  const go = ['go', 'build', '-trimpath', '-p', '2', '-ldflags=-s -w', '-o', unfinished, '.']
  // Others work on this machine too.
  const { status } = spawnSync('nice', ['-n', '19', ...go], {
    cwd: module,
    env: { ...process.env, GOMAXPROCS: '2', GOFLAGS: '-modcacherw' },
    stdio: 'inherit',
  })
  if (status !== 0) fail('kube-apiserver could not be built. It needs Go 1.26 and about 4 GB of memory.')
  renameSync(unfinished, built)
}

function fail(message) {
  console.error(message)
  console.log('0 passed, 1 failed')
  process.exit(1)
}
