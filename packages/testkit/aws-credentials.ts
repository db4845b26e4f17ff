import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { answerDate } from './clock-front.ts'
import { type Credentials, refusalOf } from './s3-front.ts'
import { waitFor } from './wait-for.ts'

/** What a role wants of those who assume it. */
interface Role {
  externalId?: string
  webIdentityToken?: string
}

/** A running emulator of all that hands out AWS credentials on a network. */
interface AwsCredentials {
  endpoint: string
  /** What it has handed out so far; give it to a front to have it accepted there. */
  issued: Credentials[]
  /** Requests seen, such as `AssumeRole` or `GET /latest/meta-data/…`. */
  seen: string[]
  stop(): Promise<void>
}

/**
 * Starts STS (AssumeRole with an external id, its signature checked against `base`; AssumeRoleWithWebIdentity), the metadata
 * service of EC2 in version 2, where a token is needed, and the credentials endpoint of ECS and EKS. All sessions last
 * `lifetimeSeconds`.
 */
export async function startAwsCredentials(options: {
  lifetimeSeconds: number
  base?: Credentials
  roles?: Record<string, Role>
  /** What must be sent to the container endpoint as Authorization. */
  containerToken?: string
  /** By which signatures are checked and sessions end, in milliseconds since 1970; its answers carry it. */
  clock?: () => number
}): Promise<AwsCredentials> {
  const { lifetimeSeconds, base, roles = {}, containerToken, clock = Date.now } = options
  const issued: Credentials[] = []
  const seen: string[] = []
  const metadataToken = randomBytes(8).toString('hex')

  const issue = () => {
    const session = {
      accessKeyId: `ASIA${issued.length}${randomBytes(4).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString('hex'),
      sessionToken: `token/+=${randomBytes(20).toString('base64')}`,
      // STS and the metadata service give whole seconds.
      expiration: new Date(Math.floor(clock() / 1000 + lifetimeSeconds) * 1000),
    }
    issued.push(session)
    return session
  }
  const asJson = () => {
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = issue()
    const Expiration = expiration.toISOString().replace('.000Z', 'Z')
    return JSON.stringify({
      Code: 'Success',
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      Token: sessionToken,
      Expiration,
    })
  }

  const sts = async (request: IncomingMessage): Promise<Answer> => {
    const body = await text(request)
    const form = new URLSearchParams(body)
    const action = form.get('Action') ?? ''
    seen.push(action)
    const role = roles[form.get('RoleArn') ?? '']
    if (action === 'AssumeRole') {
      const bodyHash = createHash('sha256').update(body).digest('hex')
      const { method = '', url = '', headers } = request
      const refusal = base && refusalOf({ method, url, headers }, { accepted: [base], now: clock(), bodyHash })
      if (refusal?.[0] === 'InvalidAccessKeyId') return stsFault('InvalidClientTokenId')
      if (refusal) return stsFault(refusal[0])
      if (!role || role.webIdentityToken || (role.externalId ?? null) !== form.get('ExternalId')) {
        return stsFault('AccessDenied')
      }
    } else if (!role?.webIdentityToken || role.webIdentityToken !== form.get('WebIdentityToken')) {
      return stsFault('InvalidIdentityToken', 400)
    }
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = issue()
    const credentials =
      `<Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey>` +
      `<SessionToken>${sessionToken}</SessionToken><Expiration>${expiration.toISOString()}</Expiration></Credentials>`
    return xml(200, `<${action}Response><${action}Result>${credentials}</${action}Result></${action}Response>`)
  }

  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    const { method, url = '', headers } = request
    if (method === 'POST') return sts(request)
    seen.push(`${method} ${url}`)
    if (method === 'PUT' && url === '/latest/api/token') return { status: 200, body: metadataToken }
    if (url === '/container') {
      return headers.authorization === containerToken ? { status: 200, body: asJson() } : { status: 403, body: '' }
    }
    if (headers['x-aws-ec2-metadata-token'] !== metadataToken) return { status: 401, body: '' }
    const path = '/latest/meta-data/iam/security-credentials/'
    if (url === path) return { status: 200, body: 'instance-role' }
    if (url === `${path}instance-role`) return { status: 200, body: asJson() }
    return { status: 404, body: '' }
  }

  const server = createServer(async (request, response) => {
    if (options.clock) answerDate(response, clock)
    const { status, body, type = 'text/plain' } = await answerTo(request)
    response.writeHead(status, { 'content-type': type }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await waitFor(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    issued,
    seen,
    async stop() {
      server.close()
      server.closeAllConnections()
      await waitFor(server, 'close')
    },
  }
}

interface Answer {
  status: number
  body: string
  type?: string
}

const xml = (status: number, body: string): Answer => ({ status, body, type: 'text/xml' })

const stsFault = (code: string, status = 403) =>
  xml(
    status,
    `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`,
  )
