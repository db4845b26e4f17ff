import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts, newFolder, run, start, stop, succeed, waitFor } from './processes.ts'

/** Starts Ceph on one node, in memory: a monitor, one store, and its S3 gateway, with one user. */
export async function startCeph(user: { accessKeyId: string; secretAccessKey: string }) {
  const folder = newFolder()
  const [port, monitor, monitorOld] = (await freePorts(3)) as [number, number, number]
  for (const name of ['mon', 'osd', 'run']) await mkdir(join(folder, name))
  const configuration = join(folder, 'ceph.conf')
  const keyring = join(folder, 'keyring')
  const map = join(folder, 'monmap')
  const [cluster, store] = [randomUUID(), randomUUID()]
  const addresses = `v2:127.0.0.1:${monitor},v1:127.0.0.1:${monitorOld}`
  await writeFile(configuration, settings({ folder, keyring, cluster, addresses, port }))
  const ceph = (command: string, ...args: string[]) =>
    succeed([command, '--conf', configuration, ...args], { seconds: 30 })
  const log = (name: string) => join(folder, 'run', `${name}.out`)
  const launch = (name: string, command: string, ...args: string[]) =>
    start([command, '--conf', configuration, '-f', ...args], log(name))

  const keys: [string, ...string[]][] = [
    ['mon.', 'mon', 'allow *'],
    ['client.admin', 'mon', 'allow *', 'osd', 'allow *'],
    ['client.rgw', 'mon', 'allow rwx', 'osd', 'allow rwx'],
    ['osd.0', 'mon', 'allow profile osd', 'osd', 'allow *'],
  ]
  for (const [index, [name, ...rights]] of keys.entries()) {
    const caps = Array.from({ length: rights.length / 2 }, (_, n) => ['--cap', rights[2 * n]!, rights[2 * n + 1]!])
    const create = index === 0 ? ['--create-keyring'] : []
    await succeed(['ceph-authtool', ...create, keyring, '--gen-key', '-n', name, ...caps.flat()], { seconds: 20 })
  }
  const makeMap = ['monmaptool', '--create', '--clobber', '--addv', 'a', `[${addresses}]`, '--fsid', cluster, map]
  await succeed(makeMap, { seconds: 20 })
  await ceph('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring)
  const daemons = [launch('mon', 'ceph-mon', '-i', 'a')]
  try {
    await ceph('ceph', '--connect-timeout', '20', 'osd', 'new', store)
    await ceph('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', store)
    const osd = launch('osd', 'ceph-osd', '-i', '0')
    daemons.push(osd)
    await waitFor("Ceph's store", osd, 30, async () => {
      const { text } = await run(['ceph', '--conf', configuration, 'osd', 'stat'], { seconds: 10 })
      return text.includes('1 up')
    })
    const gateway = launch('rgw', 'radosgw', '-n', 'client.rgw')
    daemons.push(gateway)
    const endpoint = `http://127.0.0.1:${port}`
    await waitFor("Ceph's gateway", gateway, 45, async () => (await fetch(endpoint)).status > 0)
    const { accessKeyId, secretAccessKey } = user
    const names = ['--uid=conform', '--display-name=conform']
    const pair = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`]
    await ceph('radosgw-admin', 'user', 'create', ...names, ...pair)
    return { endpoint, stop: () => stopAll() }
  } catch (error) {
    await stopAll()
    throw error
  }

  async function stopAll() {
    for (const daemon of daemons.toReversed()) await stop(daemon)
  }
}

interface Settings {
  folder: string
  keyring: string
  cluster: string
  addresses: string
  port: number
}

const settings = ({ folder, keyring, cluster, addresses, port }: Settings) => `[global]
fsid = ${cluster}
mon_initial_members = a
mon_host = ${addresses}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv4 = true
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data = ${folder}/mon
osd_data = ${folder}/osd
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
log_file = ${folder}/run/$name.log
crash_dir = ${folder}/run
keyring = ${keyring}
[mon]
mon_cluster_log_file = ${folder}/run/cluster.log
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_thread_pool_size = 128
`
