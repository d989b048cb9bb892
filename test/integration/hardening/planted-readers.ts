/** Readers whose cost grows faster than their text: the count must find them. */

export const PLANTED: Readonly<Record<string, (text: string) => unknown>> = {
  'it looks back from every character': text => {
    let found = 0
    for (let at = 0; at < text.length; at += 1) {
      for (let back = at; back > 0 && text[back] !== '\n'; back -= 1) found += 1
    }
    return found
  },
  'it searches on from every character': text => {
    let found = 0
    for (let at = 0; at < text.length; at += 1) if (text.indexOf('\0', at) >= 0) found += 1
    return found
  },
  'it puts all bytes together for each one': text => {
    let bytes = Buffer.alloc(0)
    for (const byte of Buffer.from(text)) bytes = Buffer.concat([bytes, Buffer.of(byte)])
    return bytes
  },
  'it looks again and again at one kind of text': text => {
    let found = 0
    if (text.startsWith('{')) for (let n = 0; n < 300; n += 1) found += text.indexOf('\0')
    return found
  },
  'it tries an expression on every rest': text => {
    for (let rest = text; rest !== ''; rest = rest.slice(1)) if (/\0/.test(rest)) return rest
    return ''
  },
}
