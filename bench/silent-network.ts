/** A network between a gateway and its database that goes silent: connections stay open, and not a byte goes through any more. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class SilentNetwork {
  readonly #server: Server
  readonly #pairs = new Map<Socket, Socket>()
  #refuses = false

  private constructor(port: number) {
    this.#server = createServer(client => this.#join(client, port))
  }

  /** @param port of the server behind it, on the loopback. */
  static async start(port: number): Promise<SilentNetwork> {
    const network = new SilentNetwork(port)
    await once(network.#server.listen(0, '127.0.0.1'), 'listening')
    return network
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The connections of now pass nothing on any more, not even their end; later ones do. */
  silence(): void {
    for (const [client, far] of this.#pairs) {
      client.removeAllListeners('data').resume()
      far.removeAllListeners('data').removeAllListeners('close').resume()
    }
  }

  /** Cuts all connections, and each later one at once, until `accept`. */
  refuse(): void {
    this.#refuses = true
    for (const client of this.#pairs.keys()) client.destroy()
  }

  accept(): void {
    this.#refuses = false
  }

  close(): void {
    this.refuse()
    this.#server.close()
  }

  #join(client: Socket, port: number): void {
    client.on('error', () => undefined)
    if (this.#refuses) return void client.destroy()
    const far = connect(port, '127.0.0.1')
    this.#pairs.set(client, far)
    client.on('close', () => {
      this.#pairs.delete(client)
      far.destroy()
    })
    client.on('data', bytes => far.write(bytes))
    far.on('error', () => undefined)
    far.on('data', bytes => client.write(bytes))
    far.on('close', () => client.destroy())
  }
}
