import type { CheckStep, checkSteps } from '../storages/check.ts'
import { builder } from './builder.ts'
import { ErrorCodeRef } from './error-code.ts'

const StepNameRef = builder.enumType('CheckStepName', {
  description: 'What a step of a connection check tests.',
  values: {
    CONFIGURATION: { description: 'The settings are complete and consistent.' },
    EGRESS: { description: 'The network policy of the server allows connections to the endpoint.' },
    REACH: { description: 'The host name resolves, and the storage accepts a connection, with TLS if configured.' },
    AUTHENTICATE: { description: 'The storage accepts the credentials.' },
    OPEN: { description: 'The bucket, container, database or folder exists, and the credentials may list it.' },
    FIND_OBJECT: { description: 'At least one object exists under the prefix (direction IMPORT).' },
    READ_OBJECT: { description: 'Sluice can read one object (direction IMPORT, import method TASKS).' },
    WRITE_OBJECT: {
      description: 'Sluice can write and remove a probe object (direction EXPORT, unless skipProbe is set).',
    },
    PRESIGN: {
      description:
        'Sluice can create a presigned URL and fetch the object with it (direction IMPORT, if `presign` is set).',
    },
    CLOCK: {
      description:
        'The clocks of the server and of the storage differ by at most 15 minutes. Passes too if the storage does not send its time.',
    },
  } satisfies Record<(typeof checkSteps)[number], { description: string }>,
})

const StepStatusRef = builder.enumType('CheckStepStatus', {
  description: 'Outcome of a step of a connection check.',
  values: {
    OK: { description: 'The test passed.' },
    FAILED: { description: 'The test failed. The check skips all later steps.' },
    SKIPPED: { description: 'The test is not needed for this storage, or an earlier step failed.' },
  },
})

/** One step of a connection check. */
export const CheckStepRef = builder.objectRef<CheckStep>('CheckStep')

CheckStepRef.implement({
  description: 'One step of a connection check.',
  fields: (t) => ({
    name: t.expose('name', { type: StepNameRef, description: 'What the step tests.' }),
    status: t.expose('status', { type: StepStatusRef, description: 'Outcome of the step.' }),
    code: t.expose('code', {
      type: ErrorCodeRef,
      nullable: true,
      description: 'Code of the error. Null unless the step failed.',
    }),
    message: t.exposeString('message', { description: 'Result of the step, as text for people.' }),
    hint: t.exposeString('hint', {
      nullable: true,
      description:
        'How to repair the error, or, for PRESIGN, the CORS rule that browsers on other origins need. Null if there is no advice.',
    }),
    milliseconds: t.exposeInt('milliseconds', { description: 'Duration of the step in milliseconds.' }),
  }),
})
