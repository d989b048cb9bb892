// The script of a tab under test. `open` starts a feed; `tab.received` is what its handler got.
const tab = { received: [], states: [], resets: [], error: undefined, feed: undefined, client: undefined }

globalThis.open = function open({
  url,
  worker,
  user = 'ada',
  feed = {},
  slow = false,
  patient = false,
  ...options
}) {
  // Without `worker`, a client that shares nothing.
  const create = worker === undefined ? sluice.createClient : sluice.createTabClient
  tab.client = create({
    url,
    user,
    credentials: async () => {
      const answer = await fetch('/token')
      if (!answer.ok) throw new Error(`status ${answer.status}`)
      return await answer.text()
    },
    fetch: patient ? withPatience : undefined,
    worker: worker === 'default' ? undefined : worker && (name => new SharedWorker('/worker.js', { name })),
    ...options,
  })
  return follow(feed, slow)
}

async function follow(options, slow) {
  tab.feed = tab.client.feed({
    ...options,
    onState: ({ name, reason }) => tab.states.push(reason ? `${name}: ${reason}` : name),
    reload: async ({ data }) => void tab.resets.push(data.reason),
  })
  try {
    for await (const { data } of tab.feed) {
      tab.received.push(data.n)
      if (slow) await new Promise(resolve => setTimeout(resolve, slow))
    }
  } catch (error) {
    tab.error = `${error.name} ${error.code}: ${error.message}`
  }
}

// Whether this tab holds the lock of the leader.
globalThis.leads = () =>
  navigator.locks.request(`probe ${Math.random()}`, async probe => {
    const { held } = await navigator.locks.query()
    const holder = name => held.find(lock => lock.name.startsWith(name))?.clientId
    return holder('sluice ') === holder(probe.name)
  })

// Every stream asks for five minutes before the next connection, so that only a wake ends the wait.
async function withPatience(input, init) {
  const response = await fetch(input, init)
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response
  const slower = new TransformStream({
    transform: (text, controller) => controller.enqueue(text.replace(/^retry: \d+$/m, 'retry: 300000')),
  })
  const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(slower)
  return new Response(body.pipeThrough(new TextEncoderStream()), response)
}
