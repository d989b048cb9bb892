// node main.mjs COMMAND URL TOKEN …: the contract is in README.md
import { close, read, write, writeBytes } from './durable.mjs'

const [command, url, token, ...rest] = process.argv.slice(2)

const commands = {
  async read([mode]) {
    await read(url, token, mode, message => {
      const line =
        message instanceof Uint8Array ? Buffer.from(message).toString('base64') : JSON.stringify(message)
      process.stdout.write(`${line}\n`)
    })
  },
  async write([writer, messages]) {
    process.stdout.write(`${await write(url, token, writer, Number(messages))}\n`)
  },
  'write-bytes': ([messages]) => writeBytes(url, token, Number(messages)),
  close: () => close(url, token),
}
await commands[command](rest)
