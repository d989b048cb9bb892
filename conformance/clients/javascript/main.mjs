// node main.mjs LIBRARY URL TOKEN: the contract is in ../README.md
const [library, url, token] = process.argv.slice(2)
const TYPES = ['part.made', 'part.moved', 'story.end', 'reset', 'unavailable']

// Two of the libraries are made only for pages.
globalThis.window = globalThis
globalThis.document = { readyState: 'complete', addEventListener() {}, removeEventListener() {} }

const { follow } = await import(`./${library}.mjs`)
follow(url, token, TYPES, (id, type, data) => {
  if (!TYPES.includes(type)) return
  const line = `${id} ${type} ${data.replaceAll('\n', '\\n')}\n`
  process.stdout.write(line, () => type === 'story.end' && process.exit(0))
})
