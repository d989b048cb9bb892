/** What people read about a command when Kubernetes ends it, or does not start it. */
import type { V1ContainerState, V1PodStatus } from '@kubernetes/client-node'
import t from 'tap'
import { stateOf } from '../../../../src/runner/kubernetes/pod-state.js'

const SPEC = {
  nodeName: 'n1',
  activeDeadlineSeconds: 60,
  containers: [{ name: 'command', resources: { limits: { memory: '512Mi' } } }],
}

function state(status: V1PodStatus, container?: V1ContainerState) {
  const own = { name: 'command', image: '', imageID: '', ready: false, restartCount: 0 }
  const other = { ...own, name: 'proxy', state: { terminated: { exitCode: 9, reason: 'OOMKilled' } } }
  const containerStatuses = container && [other, { ...own, state: container }]
  return stateOf({ spec: SPEC, status: { ...status, ...(containerStatuses && { containerStatuses }) } })
}
const ended = (exitCode: number, reason: string, message?: string) => ({
  terminated: { exitCode, reason, ...(message !== undefined && { message }) },
})

t.test('each state of a pod is one of the five, with the reason in words', async t => {
  const unschedulable = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message: '0/3 nodes are available: insufficient memory.',
  }
  const preempted = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'PreemptionByScheduler',
    message: 'preempted',
  }
  const cases = [
    [state({ phase: 'Pending' }), { is: 'waiting', why: 'Node n1 has not started it.' }],
    [stateOf({}), { is: 'waiting', why: 'No node has been chosen for it.' }],
    [
      state({ phase: 'Pending', conditions: [unschedulable] }),
      {
        is: 'waiting',
        why: 'No node takes the pod (Unschedulable): 0/3 nodes are available: insufficient memory.',
      },
    ],
    [
      state({ phase: 'Pending' }, { waiting: { reason: 'ContainerCreating' } }),
      { is: 'waiting', why: 'Node n1 has not started it.' },
    ],
    [
      state({ phase: 'Pending' }, { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
      { is: 'faulty', why: 'The container cannot be started (ImagePullBackOff): no such image.' },
    ],
    [
      state({ phase: 'Pending' }, { waiting: { reason: 'InvalidImageName' } }),
      { is: 'refused', why: 'The container cannot be started (InvalidImageName).' },
    ],
    [
      state({ phase: 'Failed' }, ended(128, 'StartError', 'no /bin/sh')),
      { is: 'refused', why: 'The container could not be started: no /bin/sh.' },
    ],
    [state({ phase: 'Running' }, { running: {} }), { is: 'running' }],
    [state({ phase: 'Succeeded' }, ended(0, 'Completed')), { is: 'ended', exitCode: 0 }],
    [state({ phase: 'Failed' }, ended(3, 'Error')), { is: 'ended', exitCode: 3 }],
    [
      state({ phase: 'Failed' }, ended(137, 'OOMKilled')),
      {
        is: 'ended',
        exitCode: 137,
        why: 'The command was killed because it used more memory than its limit of 512Mi (OOMKilled).',
      },
    ],
    [
      state({ phase: 'Failed', reason: 'Evicted', message: 'low on memory.' }, ended(137, 'Error')),
      { is: 'ended', exitCode: 137, why: 'The node evicted the pod: low on memory.' },
    ],
    [
      state({ phase: 'Failed', reason: 'Evicted', message: 'low on disk' }),
      { is: 'refused', why: 'The node evicted the pod: low on disk.' },
    ],
    [
      state({ phase: 'Failed', reason: 'DeadlineExceeded' }, { running: {} }),
      {
        is: 'ended',
        exitCode: null,
        why: 'The pod ran longer than its deadline of 60 s, so that Kubernetes ended it.',
      },
    ],
    [
      state({ phase: 'Failed', conditions: [preempted] }, ended(143, 'Error')),
      { is: 'ended', exitCode: 143, why: 'Kubernetes removed the pod (PreemptionByScheduler): preempted.' },
    ],
    [
      state({ phase: 'Failed' }, ended(137, 'ContainerStatusUnknown')),
      { is: 'ended', exitCode: null, why: 'The node lost the container of the command.' },
    ],
    [
      state({ phase: 'Failed', reason: 'UnexpectedAdmissionError', message: 'no GPU' }),
      { is: 'refused', why: 'Kubernetes ended the pod (UnexpectedAdmissionError): no GPU.' },
    ],
  ] as const

  t.strictSame(
    cases.map(([is]) => is),
    cases.map(([, expected]) => expected),
  )
})
