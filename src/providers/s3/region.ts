import { toError } from '../../unknown.ts'
import { accessPointRegion } from './bucket-arn.ts'
import { dnsLabel, type S3Location } from './location.ts'

/** The region that requests are signed for. */
export interface Region {
  readonly current: string
  /** Whether the region was configured, or a response has confirmed it. */
  readonly isKnown: boolean
  /** Call it after a response to a request that was signed for `current`, if it names no other region. */
  confirm(): void
  /** Adopts the region named by the refusal of a request that was signed for `used`. Returns true if a retry makes sense. */
  adopt(error: unknown, used: string): boolean
}

/**
 * The configured region, or that of the access point. AUTO starts with us-east-1 and adopts the region that a refusal names.
 */
export function createRegion(place: Pick<S3Location, 'region' | 'bucket'>): Region {
  const region = accessPointRegion(place.bucket) ?? place.region
  const isAuto = region === 'AUTO'
  let current = isAuto ? 'us-east-1' : region
  let isKnown = !isAuto
  return {
    get current() {
      return current
    },
    get isKnown() {
      return isKnown
    },
    confirm() {
      isKnown = true
    },
    adopt(error, used) {
      const named = isAuto ? namedRegion(error) : undefined
      if (named === undefined || named === used) return false
      current = named
      isKnown = true
      return true
    },
  }
}

interface Refusal {
  Region?: unknown
  Endpoint?: unknown
  $response?: { statusCode?: number; headers?: Record<string, string> }
}

/**
 * The region that a refusal names: in the header `x-amz-bucket-region` (Amazon S3, "HeadBucket"), as `Region` of
 * AuthorizationHeaderMalformed, or in the `Endpoint` of PermanentRedirect.
 */
export function namedRegion(error: unknown): string | undefined {
  const { Region: region, Endpoint: endpoint, $response }: Error & Refusal = toError(error)
  const { statusCode = 0, headers } = $response ?? {}
  if (statusCode < 300 || statusCode > 403) return undefined
  const named =
    headers?.['x-amz-bucket-region'] ?? region ?? /\bs3[.-]([a-z0-9-]+)\.amazonaws\./.exec(String(endpoint))?.[1]
  return typeof named === 'string' && dnsLabel.test(named) ? named : undefined
}

// AWS, "Regions and Availability Zones", with the partitions for China and for the US government.
const awsRegions = new Set(
  `af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
  ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
  cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
  il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1
  us-west-2`.split(/\s+/),
)

/** Whether a name from a server is a region of AWS. Messages may quote only such names. */
export const isAwsRegion = (name: string) => awsRegions.has(name)
