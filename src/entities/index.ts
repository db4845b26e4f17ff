import { AnnotationEntity } from './annotation.ts'
import { ApiTokenEntity } from './api-token.ts'
import { ChosenAnnotationEntity } from './chosen-annotation.ts'
import { DeletedLabelEntity } from './deleted-label.ts'
import { EventEntity } from './event.ts'
import { ExportLinkEntity } from './export-link.ts'
import { ImportLinkEntity } from './import-link.ts'
import { ImportRowEntity } from './import-row.ts'
import { ImportedObjectEntity } from './imported-object.ts'
import { KeyProbeEntity } from './key-probe.ts'
import { LinkEnvelopeEntity } from './link-envelope.ts'
import { OutboxEntity } from './outbox.ts'
import { PeriodicTaskEntity } from './periodic-task.ts'
import { PredictionEntity } from './prediction.ts'
import { ProjectEntity } from './project.ts'
import { StorageEntity } from './storage.ts'
import { StorageBudgetEntity } from './storage-budget.ts'
import { SyncIssueEntity } from './sync-issue.ts'
import { SyncKeyEntity } from './sync-key.ts'
import { SyncRunEntity } from './sync-run.ts'
import { SyncScheduleEntity } from './sync-schedule.ts'
import { SyncShardEntity } from './sync-shard.ts'
import { TaskEntity } from './task.ts'
import { TaskExtraEntity } from './task-extra.ts'
import { TaskOriginEntity } from './task-origin.ts'
import { UrlMappingEntity } from './url-mapping.ts'
import { WebhookEntity } from './webhook.ts'
import { WebhookCursorEntity } from './webhook-cursor.ts'
import { WebhookDeliveryEntity } from './webhook-delivery.ts'
import { WorkerEntity } from './worker.ts'

/** Every table that the ORM owns. */
export const entities = [
  ProjectEntity,
  TaskEntity,
  TaskExtraEntity,
  TaskOriginEntity,
  AnnotationEntity,
  PredictionEntity,
  DeletedLabelEntity,
  StorageEntity,
  StorageBudgetEntity,
  UrlMappingEntity,
  ImportLinkEntity,
  ImportedObjectEntity,
  ImportRowEntity,
  LinkEnvelopeEntity,
  ExportLinkEntity,
  SyncRunEntity,
  SyncShardEntity,
  SyncKeyEntity,
  SyncIssueEntity,
  ChosenAnnotationEntity,
  OutboxEntity,
  SyncScheduleEntity,
  PeriodicTaskEntity,
  EventEntity,
  ApiTokenEntity,
  KeyProbeEntity,
  WebhookEntity,
  WebhookCursorEntity,
  WebhookDeliveryEntity,
  WorkerEntity,
]
