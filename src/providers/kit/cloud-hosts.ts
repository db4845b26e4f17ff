const hosts = {
  // S3 and STS in a region ("Amazon S3 endpoints and quotas"). Other hosts below amazonaws.com can belong to customers: load
  // balancers, instances, API gateways.
  AWS: /^(?:s3|s3-fips|sts|sts-fips)(?:\.dualstack)?(?:\.[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?$/,
  GOOGLE: /\.googleapis\.com$/,
  // Azure, "Storage account endpoints", with those of the national clouds.
  AZURE: /\.(?:core\.windows\.net|storage\.azure\.net|core\.usgovcloudapi\.net|core\.chinacloudapi\.cn)$/,
} as const

/**
 * Whether requests to `endpoint` (undefined: the default of the cloud) go to the cloud's own servers over TLS. Then no other
 * proxy is in front of them, and their request IDs help the cloud's support.
 */
export function isCloudHost(cloud: keyof typeof hosts, endpoint: string | undefined): boolean {
  if (endpoint === undefined) return true
  if (!URL.canParse(endpoint)) return false
  const { protocol, hostname, port, pathname } = new URL(endpoint)
  // With a path in the endpoint, requests could address another bucket.
  return protocol === 'https:' && port === '' && pathname === '/' && hosts[cloud].test(hostname)
}
