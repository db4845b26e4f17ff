import { isIP } from 'node:net'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import type { Egress } from '../../security/egress.ts'

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>

/**
 * Makes the class with which the client opens its socket. Like its own class for a single server, but through the egress layer.
 */
export function connectorOf(egress: Egress): NonNullable<RedisOptions['Connector']> {
  return class extends AbstractConnector {
    readonly #options: RedisOptions
    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 2_000)
      this.#options = options as RedisOptions
    }

    override async connect(): Promise<Stream> {
      this.connecting = true
      const { host = '', port = 6379, tls } = this.#options
      const target = { host, port, isHttp: false }
      const socket = tls
        ? egress.connectTls({ ...target, servername: isIP(host) ? '' : host, ...tls })
        : egress.connect(target)
      this.stream = socket
      socket.once('error', (error) => {
        this.firstError = error
      })
      // The connection was refused synchronously. The client would listen for errors too late.
      if (socket.errored) throw socket.errored
      return socket
    }
  }
}
