import { FirstLight } from './0001-first-light.ts'
import { JobQueue } from './0002-job-queue.ts'
import { ImportEngine } from './0003-import-engine.ts'
import { Webhooks } from './0004-webhooks.ts'
import { Export } from './0005-export.ts'
import { Resolve } from './0006-resolve.ts'
import { TaskOrigins } from './0007-task-origins.ts'
import { WebhookSecrets } from './0008-webhook-secrets.ts'
import { Schedules } from './0009-schedules.ts'
import { AccessChanges } from './0010-access-changes.ts'
import { KeyProbe } from './0011-key-probe.ts'
import { Scale } from './0012-scale.ts'
import { FairShares } from './0013-fair-shares.ts'
import { FileSettings } from './0014-file-settings.ts'
import { FinishedBy } from './0015-finished-by.ts'
import { RunWaiting } from './0016-run-waiting.ts'
import { MissingRows } from './0017-missing-rows.ts'
import { KeepTimes } from './0018-keep-times.ts'
import { UrlMappings } from './0019-url-mappings.ts'
import { PausedStorages } from './0020-paused-storages.ts'
import { ChosenKeys } from './0021-chosen-keys.ts'
import { StorageLimits } from './0022-storage-limits.ts'
import { ReadsTo } from './0023-reads-to.ts'
import { EventSubjects } from './0024-event-subjects.ts'
import { FailedExports } from './0025-failed-exports.ts'
import { ExtraFields } from './0026-extra-fields.ts'
import { RowsPath } from './0027-rows-path.ts'
import { HttpsUrls } from './0028-https-urls.ts'
import { InlineBytes } from './0029-inline-bytes.ts'
import { StorageVersions } from './0030-storage-versions.ts'
import { RowIdentity } from './0031-row-identity.ts'
import { DetachedStorages } from './0032-detached-storages.ts'
import { MediaTtl } from './0033-media-ttl.ts'
import { Moves } from './0034-moves.ts'
import { UnsafeFunctions } from './0035-unsafe-functions.ts'

/**
 * Every migration, oldest first. A migration that has landed is never edited or renamed, and one that is new does not break the
 * processes of the version before it (docs/architecture.md, "Migrations").
 */
export const migrations = [
  { name: '0001-first-light', class: FirstLight },
  { name: '0002-job-queue', class: JobQueue },
  { name: '0003-import-engine', class: ImportEngine },
  { name: '0004-webhooks', class: Webhooks },
  { name: '0005-export', class: Export },
  { name: '0006-resolve', class: Resolve },
  { name: '0007-task-origins', class: TaskOrigins },
  { name: '0008-webhook-secrets', class: WebhookSecrets },
  { name: '0009-schedules', class: Schedules },
  { name: '0010-access-changes', class: AccessChanges },
  { name: '0011-key-probe', class: KeyProbe },
  { name: '0012-scale', class: Scale },
  { name: '0013-fair-shares', class: FairShares },
  { name: '0014-file-settings', class: FileSettings },
  { name: '0015-finished-by', class: FinishedBy },
  { name: '0016-run-waiting', class: RunWaiting },
  { name: '0017-missing-rows', class: MissingRows },
  { name: '0018-keep-times', class: KeepTimes },
  { name: '0019-url-mappings', class: UrlMappings },
  { name: '0020-paused-storages', class: PausedStorages },
  { name: '0021-chosen-keys', class: ChosenKeys },
  { name: '0022-storage-limits', class: StorageLimits },
  { name: '0023-reads-to', class: ReadsTo },
  { name: '0024-event-subjects', class: EventSubjects },
  { name: '0025-failed-exports', class: FailedExports },
  { name: '0026-extra-fields', class: ExtraFields },
  { name: '0027-rows-path', class: RowsPath },
  { name: '0028-https-urls', class: HttpsUrls },
  { name: '0029-inline-bytes', class: InlineBytes },
  { name: '0030-storage-versions', class: StorageVersions },
  { name: '0031-row-identity', class: RowIdentity },
  { name: '0032-detached-storages', class: DetachedStorages },
  { name: '0033-media-ttl', class: MediaTtl },
  { name: '0034-moves', class: Moves },
  { name: '0035-unsafe-functions', class: UnsafeFunctions },
]
