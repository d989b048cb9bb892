/** The manifests of deploy/kubernetes, held to the schemas of Kubernetes, to each other and to the gateway. No cluster runs them. */
import { Deployment, type IDeployment } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { Job } from 'kubernetes-models/batch/v1'
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, type IPodTemplateSpec, Service } from 'kubernetes-models/v1'
import t from 'tap'
import { parse } from 'yaml'
import { COMMANDS } from '../../../server/cli/commands.js'
import { drainDelayOf } from '../../../server/stop-sequence.js'
import { readConfig } from '../../../src/config/config.js'
import { Environment } from '../../../src/config/environment.js'
import { INSTRUMENTS } from '../../../src/metrics/instruments.js'
import { read, section } from '../../harness/document.js'
import {
  buildManifests,
  kustomizations,
  type Manifest,
  schemaFaults,
  withoutGo,
} from '../../harness/manifests.js'

const ROOT = 'deploy/kubernetes'
const NGINX = `${ROOT}/overlays/ingress-nginx`
const PRODUCTION = [NGINX, `${ROOT}/overlays/gateway-api`, `${ROOT}/overlays/nats`]
/** Labels of the gateways, by which everything finds them. */
const GATEWAY = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'gateway' }
const DEFAULTS = readConfig({})
const IN_PRODUCTION = { ...DEFAULTS, NODE_ENV: 'production' } as const
const SECONDS = 1_000
const SPARE_SECONDS = 5
const POSTGRES_PORT = 5_432
const readme = read(`${ROOT}/README.md`)
const packageVersion = (JSON.parse(read('package.json')) as { version: string }).version

interface ServiceMonitor extends Manifest {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly endpoints: readonly { readonly port: string; readonly path: string }[]
  }
}

t.test('the manifests are built', { skip: withoutGo() }, async t => {
  const manifests = await buildManifests(t)
  const objects = [...manifests.values()].flat()
  const of = <T>(path: string, is: (object: unknown) => object is T): T[] =>
    (manifests.get(path) ?? []).filter((object): object is Manifest & T => is(object))
  const gateways = [...manifests].flatMap(([path]) =>
    of(path, Deployment.is)
      .filter(({ metadata }) => metadata?.name === 'sluice')
      .map(deployment => ({ path, deployment, pod: podOf(deployment), settings: settingsOf(path) })),
  )
  /** All pods that some object describes. */
  const pods = objects.flatMap(object => {
    if (!Deployment.is(object) && !Job.is(object)) return []
    const template: IPodTemplateSpec | undefined = object.spec?.template
    return template?.spec ? [{ name: `${object.metadata?.name}`, template, spec: template.spec }] : []
  })

  t.strictSame([...manifests.keys()], kustomizations())
  t.ok(gateways.length >= 3 && pods.length > gateways.length)

  await t.test('each object follows its schema, and has no field that this does not know', async t => {
    const faults = await Promise.all(objects.map(schemaFaults))
    const [deployment] = gateways.map(({ deployment }) => deployment)
    const wrong = { ...deployment, spec: { ...deployment?.spec, minReadySecs: 15 } } as Manifest

    t.strictSame(faults.flat(), [])
    t.strictSame(await schemaFaults(wrong), ['Deployment sluice: the schema has no field /spec/minReadySecs'])
  })

  await t.test('everything is in the namespace, and nothing is a secret or a CronJob', async t => {
    t.strictSame(
      objects
        .filter(
          ({ kind, metadata }) => kind !== 'Namespace' && kind !== 'ClusterRole' && !metadata?.namespace,
        )
        .map(({ kind, metadata }) => `${kind} ${metadata?.name}`),
      [],
    )
    t.strictSame(
      objects.filter(({ kind }) => kind === 'Secret' || kind === 'CronJob'),
      [],
      'a Secret is made by hand, and the gateways schedule their own work',
    )
  })

  await t.test('the gateway knows every setting of the ConfigMaps and of the Secret', async t => {
    const names = gateways.flatMap(({ settings }) => Object.keys(settings))
    const inSecret = [...section(readme, '## The Secret').matchAll(/^\| `([A-Z_]+)`/gm)].map(
      ([, name = '']) => name,
    )

    t.ok(names.includes('METRICS_PORT') && inSecret.includes('DATABASE_URL'))
    t.strictSame(
      [...names, ...inSecret].filter(name => !Object.hasOwn(Environment.properties, name)),
      [],
    )
    t.strictSame(
      inSecret.filter(name => names.includes(name)),
      [],
      'no secret is in a ConfigMap',
    )
    t.strictSame(
      gateways.map(({ pod }) => [pod.env, pod.envFrom?.at(-1)?.secretRef?.name]),
      gateways.map(() => [undefined, 'sluice']),
    )
  })

  await t.test('a gateway starts in production with these settings and the Secret', async t => {
    const secret = {
      DATABASE_URL: 'postgres://sluice:secret@database:5432/sluice',
      NATS_URL: 'nats://sluice:secret@nats.nats:4222',
    }
    for (const { path, settings } of gateways) {
      const key = settings.JWKS_URL === undefined && { JWT_SECRET: 'x'.repeat(32) }
      t.doesNotThrow(() => readConfig({ NODE_ENV: 'production', ...settings, ...secret, ...key }), path)
    }
  })

  await t.test(
    'pods run without root, rights and a writable image, and gateways without a token',
    async t => {
      const bad = pods.filter(
        ({ spec }) =>
          spec.securityContext?.runAsNonRoot !== true ||
          !spec.securityContext.runAsUser ||
          spec.securityContext.seccompProfile?.type !== 'RuntimeDefault' ||
          spec.containers.some(
            ({ securityContext: own, resources }) =>
              own?.allowPrivilegeEscalation !== false ||
              own.readOnlyRootFilesystem !== true ||
              own.capabilities?.drop?.[0] !== 'ALL' ||
              !resources?.limits?.memory,
          ),
      )
      const trusted = pods.filter(
        ({ template, spec }) =>
          template.metadata?.labels?.['app.kubernetes.io/name'] === 'sluice' &&
          (spec.automountServiceAccountToken !== false || spec.enableServiceLinks !== false),
      )

      t.strictSame(
        [bad, trusted].flat().map(({ name }) => name),
        [],
      )
    },
  )

  await t.test(
    'images have exact versions, and that of the gateway is the version of the package',
    async t => {
      const images = pods.flatMap(({ spec }) => spec.containers.map(({ image = '' }) => image))

      t.strictSame(
        images.filter(image => !/:\d+\.\d+(\.\d+)?$/.test(image)),
        [],
      )
      t.strictSame(
        images.filter(image => image.includes('sluice:') && !image.endsWith(`/sluice:${packageVersion}`)),
        [],
      )
    },
  )

  await t.test('probes and Services lead to ports and paths that the gateway has', async t => {
    const routes = read('routes/health.ts')
    for (const { path, pod, settings } of gateways) {
      const ports = new Map(pod.ports?.map(({ name, containerPort }) => [name, containerPort]))
      const probes = [pod.startupProbe, pod.livenessProbe, pod.readinessProbe].map(probe => probe?.httpGet)
      const services = of(path, Service.is).filter(({ spec }) => same(spec?.selector, GATEWAY))
      const monitors = (manifests.get(path) ?? []).filter(isMonitor)

      t.same(
        [...ports],
        [
          ['http', DEFAULTS.PORT],
          ['metrics', Number(settings.METRICS_PORT)],
        ],
      )
      t.same(
        probes.map(probe => probe?.path),
        ['/health', '/health', '/ready'],
      )
      t.ok(probes.every(probe => probe?.port === 'http' && routes.includes(`'${probe.path}'`)))
      t.ok(services.length > 0)
      t.ok(
        services
          .flatMap(({ spec }) => spec?.ports ?? [])
          .every(({ targetPort }) => ports.has(`${targetPort}`)),
      )
      t.equal(monitors.length, PRODUCTION.includes(path) ? 1 : 0, path)
      for (const { spec } of monitors) {
        const service = services.find(({ metadata }) => same(metadata?.labels, spec.selector.matchLabels))
        const named = service?.spec?.ports?.find(({ name }) => name === spec.endpoints[0]?.port)
        t.equal(named?.targetPort, 'metrics')
        t.equal(spec.endpoints[0]?.path, '/metrics')
      }
    }
  })

  await t.test('a pod is killed only after the gateway has had the time for a complete stop', async t => {
    const [, stop = ''] = /STOP_DEADLINE_MS = (\d+)_000/.exec(read('server/serve.ts')) ?? []
    for (const { deployment, settings } of gateways) {
      const delay = Number(settings.DRAIN_DELAY_MS ?? drainDelayOf(IN_PRODUCTION)) / SECONDS
      const grace = deployment.spec?.template.spec?.terminationGracePeriodSeconds ?? 0
      const drain = Number(settings.DRAIN_MS ?? DEFAULTS.DRAIN_MS) / SECONDS

      t.ok(delay >= 5, 'proxies have learned of the end')
      t.ok(grace >= delay + Number(stop) + SPARE_SECONDS)
      t.ok(drain + SPARE_SECONDS <= Number(stop))
      t.ok(
        (deployment.spec?.minReadySeconds ?? 0) >= drain + 3,
        'clients have come back before the next drain',
      )
      t.match(deployment.spec?.strategy?.rollingUpdate, { maxUnavailable: 0 })
    }
  })

  await t.test('everything that selects gateways selects their pods', async t => {
    for (const { path, deployment } of gateways) {
      const labels = deployment.spec?.template.metadata?.labels
      const selectors = [
        deployment.spec?.selector,
        ...(deployment.spec?.template.spec?.topologySpreadConstraints ?? []).map(each => each.labelSelector),
        ...of(path, PodDisruptionBudget.is).map(({ spec }) => spec?.selector),
      ].map(selector => selector?.matchLabels)

      t.same(labels, GATEWAY)
      t.same(selectors, [GATEWAY, GATEWAY, GATEWAY, GATEWAY])
    }
  })

  await t.test(
    'the number of gateways follows their clients, as the gateway and the adapter name them',
    async t => {
      const adapter = parse(read(`${ROOT}/prometheus-adapter.yaml`)) as {
        rules: { custom: [{ seriesQuery: string; name: { as: string } }] }
      }
      const [rule] = adapter.rules.custom
      for (const path of PRODUCTION) {
        const [{ spec } = {}] = of(path, HorizontalPodAutoscaler.is)
        const [metric] = spec?.metrics ?? []
        const target = Number(metric?.pods?.target.averageValue)
        const { MAX_STREAMS } = settingsOf(path)

        t.equal(metric?.pods?.metric.name, rule.name.as)
        t.match(rule.seriesQuery, new RegExp(`^${INSTRUMENTS.clients.name}\\{`))
        t.equal(spec?.scaleTargetRef.name, 'sluice')
        t.notOk(of(path, Deployment.is).some(({ spec }) => spec?.replicas !== undefined))
        t.ok(target * 3 < Number(MAX_STREAMS) * 2, 'two zones have room for the clients of three')
      }
    },
  )

  await t.test('only the named connections are allowed', async t => {
    for (const { path, pod } of gateways) {
      const policies = of(path, NetworkPolicy.is)
      const nothing = policies.find(({ metadata }) => metadata?.name === 'nothing')
      const allowed = policies.flatMap(({ spec }) => [
        ...(spec?.ingress ?? []).map(({ from: sides, ports }) => ({ sides, ports })),
        ...(spec?.egress ?? []).map(({ to: sides, ports }) => ({ sides, ports })),
      ])
      const inward = policies
        .filter(({ spec }) => same(spec?.podSelector?.matchLabels, GATEWAY))
        .flatMap(({ spec }) => spec?.ingress?.flatMap(({ ports }) => ports?.map(({ port }) => port)) ?? [])

      const used = allowed.flatMap(({ ports }) => ports?.map(({ port }) => port) ?? [])

      t.same(nothing?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
      t.ok(used.includes(POSTGRES_PORT), path)
      t.strictSame(
        policies
          .filter(policy => policy !== nothing)
          .filter(({ spec }) => spec?.policyTypes?.join() !== (spec?.ingress ? 'Ingress' : 'Egress'))
          .map(({ metadata }) => metadata?.name),
        [],
        'a policy without the type of its rules allows nothing',
      )
      t.strictSame(
        allowed.filter(({ sides = [], ports = [] }) => sides.length === 0 || ports.length === 0),
        [],
      )
      const names = pod.ports?.map(({ name }) => name)
      t.strictSame(inward.sort(), PRODUCTION.includes(path) ? names?.sort() : [])
    }
  })

  await t.test('the migration is a command of the gateway', async t => {
    const [job] = of(`${ROOT}/migration`, Job.is)
    const [container] = job?.spec?.template.spec?.containers ?? []
    const [, main, name] = container?.command ?? []

    t.match(read('Dockerfile'), `"${main}"`)
    t.ok(COMMANDS.some(command => command.name === name))
    t.same(container?.envFrom, [{ secretRef: { name: 'sluice' } }])
  })

  function settingsOf(path: string): Readonly<Record<string, string>> {
    return Object.assign({}, ...of(path, ConfigMap.is).map(({ data }) => data))
  }

  await t.test('ingress-nginx lets streams through as deploy/nginx.conf does', async t => {
    const nginx = read('deploy/nginx.conf')
    const [ingress] = of(NGINX, Ingress.is)
    const annotations = Object.entries(ingress?.metadata?.annotations ?? {}).map(
      ([name, value]) => [name.replace('nginx.ingress.kubernetes.io/', ''), value] as const,
    )
    const line = (directive: string) => new RegExp(`^ *${directive} (.*);$`, 'm').exec(nginx)?.[1]
    const expected: Readonly<Record<string, string | undefined>> = {
      'proxy-buffering': line('proxy_buffering'),
      'proxy-http-version': line('proxy_http_version'),
      // The gateways run on other machines.
      'proxy-read-timeout': /If gateways run on other machines, use (\d+)s/.exec(nginx)?.[1],
      'proxy-connect-timeout': line('proxy_connect_timeout')?.replace(/s$/, ''),
      'proxy-body-size': line('client_max_body_size'),
      'proxy-next-upstream': line('proxy_next_upstream'),
      'enable-access-log': 'false',
      'default-backend': 'sluice-unready',
    }
    const unready = of(NGINX, Service.is).find(({ metadata }) => metadata?.name === 'sluice-unready')

    t.same(Object.fromEntries(annotations), expected)
    t.ok(Number(expected['proxy-read-timeout']) * SECONDS > DEFAULTS.HEARTBEAT_MS)
    t.equal(unready?.spec?.publishNotReadyAddresses, true)
  })
})

function podOf({ spec }: IDeployment) {
  const [container] = spec?.template.spec?.containers ?? []
  if (!container) throw new Error('The Deployment has no container.')
  return container
}

function isMonitor(object: Manifest): object is ServiceMonitor {
  return object.kind === 'ServiceMonitor'
}

function same(labels: object | undefined, others: object): boolean {
  return (
    labels !== undefined &&
    JSON.stringify(Object.entries(labels).sort()) === JSON.stringify(Object.entries(others).sort())
  )
}
