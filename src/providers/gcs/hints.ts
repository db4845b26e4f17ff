import type { ErrorCode } from '../../errors.ts'

/** Advice for errors of Google Cloud Storage ("IAM roles for Cloud Storage"). */
export const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS:
    'Make a new JSON key (IAM & Admin → Service accounts → Keys) and paste the whole file. An account or key that was ' +
    'deleted or disabled is not accepted either.',
  DENIED:
    'Grant the service account a role on the bucket: gcloud storage buckets add-iam-policy-binding gs://BUCKET ' +
    '--member=serviceAccount:EMAIL --role=roles/storage.objectViewer; for exports --role=roles/storage.objectUser. To sign ' +
    'URLs without a key it also needs roles/iam.serviceAccountTokenCreator on itself.',
  NO_SUCH_BUCKET: 'Check the spelling of the bucket: its name alone, without gs:// and without a folder.',
  CONSOLE_URL:
    'Leave the endpoint empty for Google; console.cloud.google.com is the page on which you manage buckets. For an ' +
    'emulator give its address without a path.',
}

/**
 * The CORS rule of a bucket (Cloud Storage, "Set up and view CORS configurations"). It allows any origin, because browsers send
 * the origin `null` after a redirect from another site (Fetch standard, "redirect-tainted origin"). The signature decides who
 * may read.
 */
export const corsRule =
  '[{"origin":["*"],"method":["GET","HEAD"],"responseHeader":["Accept-Ranges","Content-Length","Content-Range","ETag",' +
  '"Range"],"maxAgeSeconds":3600}] (save it as cors.json, then: gcloud storage buckets update gs://BUCKET ' +
  '--cors-file=cors.json).'
