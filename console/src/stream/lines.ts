/** The lines of a response. It keeps an incomplete line until its end arrives, and scans each character once, however small the pieces are. */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest: string[] = []
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const [first = '', ...more] = decoder.decode(next.value, { stream: true }).split('\n')
    rest.push(first)
    for (const piece of more) {
      yield rest.join('')
      rest = [piece]
    }
  }
}
