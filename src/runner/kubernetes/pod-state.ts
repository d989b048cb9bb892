/**
 * The state of a command, read from the status of its pod:
 *
 *   waiting ──▶ running ──▶ ended
 *      ├── the node refuses it for a reason that may pass ──▶ faulty ──▶ running
 *      └── it never will start, or its pod has failed before it did ──▶ refused
 *
 * The words are for people who know Kubernetes little. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
 */
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import { CONTAINER } from './command-pod.js'

export type PodState =
  | { readonly is: 'waiting'; readonly why: string }
  | { readonly is: 'running' }
  | { readonly is: 'faulty'; readonly why: string }
  | { readonly is: 'refused'; readonly why: string }
  | { readonly is: 'ended'; readonly exitCode: number | null; readonly why?: string }

/** The kubelet does not try these again. */
const HOPELESS = ['InvalidImageName', 'ErrImageNeverPull']
/** How the container could not be started, by the reason of its end. */
const NOT_STARTED = ['StartError', 'ContainerCannotRun']
/** Reasons of a container that has not begun, with nothing wrong. */
const ORDINARY = [undefined, 'ContainerCreating', 'PodInitializing']

export function stateOf(pod: V1Pod): PodState {
  const { status = {} } = pod
  const container = status.containerStatuses?.find(({ name }) => name === CONTAINER)
  const { terminated, running, waiting } = container?.state ?? {}
  const why = whyOf(pod, container)
  if (terminated) {
    if (NOT_STARTED.includes(terminated.reason ?? '')) {
      return {
        is: 'refused',
        why: `The container could not be started: ${terminated.message ?? terminated.reason}.`,
      }
    }
    // The kubelet writes this reason for a container that it has lost.
    const exitCode = terminated.reason === 'ContainerStatusUnknown' ? null : terminated.exitCode
    return { is: 'ended', exitCode, ...(why !== undefined && { why }) }
  }
  if (status.phase === 'Failed' || status.phase === 'Succeeded') {
    const ending = why ?? `The pod has ended without a word about its command${said(status.message)}.`
    return container?.state?.running
      ? { is: 'ended', exitCode: null, why: ending }
      : { is: 'refused', why: ending }
  }
  if (running) return { is: 'running' }
  if (!ORDINARY.includes(waiting?.reason)) {
    const fault = `The container cannot be started (${waiting?.reason})${said(waiting?.message)}.`
    return { is: HOPELESS.includes(waiting?.reason ?? '') ? 'refused' : 'faulty', why: fault }
  }
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False') {
    return { is: 'waiting', why: `No node takes the pod (${scheduled.reason})${said(scheduled.message)}.` }
  }
  const place = pod.spec?.nodeName
  return {
    is: 'waiting',
    why: place ? `Node ${place} has not started it.` : 'No node has been chosen for it.',
  }
}

/** Why Kubernetes has ended the command, if it has. */
function whyOf({ spec, status = {} }: V1Pod, container: V1ContainerStatus | undefined): string | undefined {
  const { terminated } = container?.state ?? {}
  if (terminated?.reason === 'OOMKilled') {
    const limit = spec?.containers.find(({ name }) => name === CONTAINER)?.resources?.limits?.memory
    return limit === undefined
      ? 'The command was killed because the memory of its node was exhausted (OOMKilled).'
      : `The command was killed because it used more memory than its limit of ${limit} (OOMKilled).`
  }
  if (status.reason === 'DeadlineExceeded') {
    return `The pod ran longer than its deadline of ${spec?.activeDeadlineSeconds} s, so that Kubernetes ended it.`
  }
  if (status.reason === 'Evicted') return `The node evicted the pod${said(status.message)}.`
  const disruption = status.conditions?.find(
    each => each.type === 'DisruptionTarget' && each.status === 'True',
  )
  if (disruption) return `Kubernetes removed the pod (${disruption.reason})${said(disruption.message)}.`
  if (terminated?.reason === 'ContainerStatusUnknown') return 'The node lost the container of the command.'
  return status.reason ? `Kubernetes ended the pod (${status.reason})${said(status.message)}.` : undefined
}

function said(message: string | undefined): string {
  return message ? `: ${message.endsWith('.') ? message.slice(0, -1) : message}` : ''
}
