import type { Annotation } from '../entities/annotation.ts'
import type { ExportLink } from '../entities/export-link.ts'
import type { ImportLink } from '../entities/import-link.ts'
import type { Prediction } from '../entities/prediction.ts'
import type { Project } from '../entities/project.ts'
import type { Storage } from '../entities/storage.ts'
import type { SyncIssue } from '../entities/sync-issue.ts'
import type { SyncRun } from '../entities/sync-run.ts'
import type { Task } from '../entities/task.ts'
import type { Webhook } from '../entities/webhook.ts'
import type { WebhookDelivery } from '../entities/webhook-delivery.ts'
import { builder } from './builder.ts'

// Types that refer to each other. Each type is implemented in its own file.
export const ProjectRef = builder.objectRef<Project>('Project')
export const TaskRef = builder.objectRef<Task>('Task')
export const AnnotationRef = builder.objectRef<Annotation>('Annotation')
export const PredictionRef = builder.objectRef<Prediction>('Prediction')
export const StorageRef = builder.interfaceRef<Storage>('Storage')
export const ImportStorageRef = builder.objectRef<Storage>('ImportStorage')
export const ExportStorageRef = builder.objectRef<Storage>('ExportStorage')
export const ImportLinkRef = builder.objectRef<ImportLink>('ImportLink')
export const ExportLinkRef = builder.objectRef<ExportLink>('ExportLink')
export const SyncRunRef = builder.objectRef<SyncRun>('SyncRun')
export const SyncIssueRef = builder.objectRef<SyncIssue>('SyncIssue')
export const WebhookRef = builder.objectRef<Webhook>('Webhook')
export const WebhookDeliveryRef = builder.objectRef<WebhookDelivery>('WebhookDelivery')
