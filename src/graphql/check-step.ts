import type { CheckStep, checkSteps } from '../storages/check.ts'
import { builder } from './builder.ts'
import { ErrorCodeRef } from './error-code.ts'

const StepNameRef = builder.enumType('CheckStepName', {
  description: 'What a step of a check tries.',
  values: {
    CONFIGURATION: { description: 'The settings are complete and agree.' },
    EGRESS: { description: 'The server may connect to the endpoint.' },
    REACH: { description: 'Name resolution, connection and TLS.' },
    AUTHENTICATE: { description: 'The credentials are known to the storage.' },
    OPEN: { description: 'The bucket or folder exists and may be listed.' },
    FIND_OBJECT: { description: 'There is at least one object under the prefix.' },
    READ_OBJECT: { description: 'One object can be read (import method TASKS).' },
    WRITE_OBJECT: { description: 'A probe can be written and removed (direction EXPORT).' },
    PRESIGN: { description: 'A signed URL can be made and fetched.' },
    CLOCK: { description: "The server's clock agrees with the storage's, as far as that tells the time." },
  } satisfies Record<(typeof checkSteps)[number], { description: string }>,
})

const StepStatusRef = builder.enumType('CheckStepStatus', {
  description: 'How a step of a check ended.',
  values: {
    OK: { description: 'It works.' },
    FAILED: { description: 'It does not work; later steps were not tried.' },
    SKIPPED: { description: 'It is not needed for this storage, or was not reached.' },
  },
})

/** One step of a connection check. */
export const CheckStepRef = builder.objectRef<CheckStep>('CheckStep')

CheckStepRef.implement({
  description: 'One step of a connection check.',
  fields: (t) => ({
    name: t.expose('name', { type: StepNameRef, description: 'What was tried.' }),
    status: t.expose('status', { type: StepStatusRef, description: 'How it ended.' }),
    code: t.expose('code', { type: ErrorCodeRef, nullable: true, description: 'The fault; null unless it failed.' }),
    message: t.exposeString('message', { description: 'What was found, in words.' }),
    hint: t.exposeString('hint', {
      nullable: true,
      description: 'What to do about a fault, or the CORS rule that browsers need; null when there is no advice.',
    }),
    milliseconds: t.exposeInt('milliseconds', { description: 'How long the step took.' }),
  }),
})
