import type { ErrorCode } from '../../errors.ts'

/** Advice for errors of Redis (redis.io, "ACL"). */
export const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS:
    'Copy the password again, and the user name if there is one. ACL LIST on the server shows its users; requirepass sets the ' +
    'password of the default one.',
  DENIED:
    'Give the user these rights: ACL SETUSER NAME on ~PATH* +info +select +scan +strlen +type +exists +getrange +multi +exec; ' +
    'for exports also +set +del. PATH is the path of the storage; without one it is ~*.',
  NO_SUCH_BUCKET: 'Choose a database from 0 to one less than CONFIG GET databases says, 16 unless it was changed.',
  CONNECTION_REFUSED:
    'Check the port, and that the server listens on an address that is reachable from here (its settings bind and ' +
    'protected-mode).',
  TLS_FAILED:
    'Check that TLS is switched on for a TLS port and off for a plain one, and that the certificate is valid for the host. ' +
    'Start Sluice with NODE_EXTRA_CA_CERTS to trust an authority of your own.',
  UNREACHABLE: 'Try again; if it stays so, look at the log of the server. A TLS port closes connections without TLS.',
  THROTTLED: 'Try again in a minute; if it stays so, look at maxclients and running scripts of the server.',
  CONSOLE_URL: 'Give the host and port of the Redis server itself; a website answers on these.',
  WRONG_TYPE:
    'Only strings can be imported. Give the storage a path under which there are no lists, hashes or the like.',
  KEY_NOT_TEXT: 'Rename the key on the server to one that is UTF-8, or give the storage a path without such keys.',
  REDIS_CLUSTER: 'Give the address of a standalone server, or of the primary that a Sentinel watches.',
  REDIS_DATABASE_ZERO: 'Choose a database from 1 upwards.',
}
