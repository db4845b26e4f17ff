// ARNs as the console copies them (Amazon S3 user guide: "Policy resources for Amazon S3", "Managing and using access points",
// "Directory buckets: resources").
const arn = /^arn:aws[\w-]*:([\w-]*):([\w-]*):(\d*):(.+)$/s
const accessPoint = /^accesspoint[:/]([a-z0-9-]+)$/

interface Arn {
  service: string
  region: string
  account: string
  resource: string
}

function read(text: string): Arn | undefined {
  const [, service = '', region = '', account = '', resource = ''] = arn.exec(text) ?? []
  return service === '' ? undefined : { service, region, account, resource }
}

/** The bucket name, or name and key, in the ARN of a bucket or of its objects. Such an ARN has no region and no account. */
const ownNames = ({ service, region, account, resource }: Arn) =>
  service === 's3' && region === '' && account === '' ? resource.replace(/\/\*?$/, '') : undefined

/**
 * Normalizes what a person entered as the bucket. The ARN of a bucket becomes its name. The ARN of an access point gets a colon
 * before the name, because in a URI the bucket ends at the first slash. Other text stays unchanged.
 */
export function canonicalBucket(text: string): string {
  const entered = read(text)
  if (!entered) return text
  const { service, region, resource } = entered
  const own = ownNames(entered)
  if (own !== undefined && !own.includes('/')) return own
  if (service === 's3express' && /^bucket\/[^/]+$/.test(resource)) return resource.slice('bucket/'.length)
  const name = service === 's3' && region ? accessPoint.exec(resource)?.[1] : undefined
  return name ? text.replace(/accesspoint[:/]/, 'accesspoint:') : text
}

/** The region in the ARN of an access point; undefined for every other bucket. */
export function accessPointRegion(bucket: string): string | undefined {
  const { service, region, resource } = read(bucket) ?? {}
  return service === 's3' && region && accessPoint.test(resource ?? '') ? region : undefined
}

/** Why an ARN cannot be the bucket, and what to enter instead. Undefined if it can be, or if the text is not an ARN. */
export function arnFault(bucket: string): string | undefined {
  if (!bucket.startsWith('arn:') || accessPointRegion(bucket)) return undefined
  const entered = read(bucket)
  const { service, resource = '' } = entered ?? {}
  if (entered && ownNames(entered)) {
    return 'is the ARN of objects: enter the name of the bucket alone, and what follows the slash as prefix'
  }
  if (/^accesspoint[:/].*\.mrap/.test(resource)) {
    return 'is a Multi-Region Access Point, which is not supported: enter one of its buckets'
  }
  if (service === 's3-object-lambda') {
    return 'is an Object Lambda Access Point, which is not supported: enter the access point or bucket behind it'
  }
  if (service === 's3-outposts') return 'is on an Outpost: enter the alias of its access point, which ends with --op-s3'
  if (service === 's3express') return 'is not a directory bucket: enter the name of one, which ends with --x-s3'
  return 'is the ARN of something else: enter the name of the bucket, or the ARN of the bucket or of an access point'
}
