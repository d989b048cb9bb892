// The script of a tab under test. `open` starts a feed; `tab.received` is what its handler got.
const tab = { received: [], states: [], resets: [], error: undefined, feed: undefined, client: undefined }

globalThis.open = function open({ url, worker, user = 'ada', feed = {}, slow = false, ...options }) {
  tab.client = sluice.createTabClient({
    url,
    user,
    credentials: async () => {
      const answer = await fetch('/token')
      if (!answer.ok) throw new Error(`status ${answer.status}`)
      return await answer.text()
    },
    worker: worker ? name => new SharedWorker('/worker.js', { name }) : false,
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
