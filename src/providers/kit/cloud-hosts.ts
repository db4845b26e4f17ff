const suffixes = {
  // AWS, "Service endpoints": the partitions aws and aws-us-gov, and aws-cn.
  AWS: ['.amazonaws.com', '.amazonaws.com.cn', '.api.aws'],
  GOOGLE: ['.googleapis.com'],
  // Azure, "Storage account endpoints", with those of the national clouds.
  AZURE: ['.core.windows.net', '.storage.azure.net', '.core.usgovcloudapi.net', '.core.chinacloudapi.cn'],
} as const

/**
 * Whether requests to `endpoint` (undefined: the default of the cloud) go to the cloud's own servers over TLS. There is no
 * proxy of somebody else before them, and their request ids are of use to the cloud's support.
 */
export function isCloudHost(cloud: keyof typeof suffixes, endpoint: string | undefined): boolean {
  if (endpoint === undefined) return true
  if (!URL.canParse(endpoint)) return false
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' && suffixes[cloud].some((suffix) => hostname.endsWith(suffix))
}
