import { builder } from './builder.ts'
import './errors.ts'
import './project.ts'
import './task.ts'
import './storage.ts'
import './export-storage.ts'
import './storage-changes.ts'
import './export-storage-changes.ts'
import './link.ts'
import './run.ts'
import './provider.ts'
import './sync.ts'
import './subscriptions.ts'
import './token.ts'
import './webhook.ts'
import './webhook-delivery.ts'

/** The API. Printed into schema.graphql by `npm run schema`. */
export const schema = builder.toSchema()
