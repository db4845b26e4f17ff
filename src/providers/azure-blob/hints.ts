import type { ErrorCode } from '../../errors.ts'

/** Advice for errors of Azure Blob Storage ("Assign an Azure role for access to blob data", "Create a service SAS"). */
export const hints: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS:
    'Copy the key again (storage account → Access keys → Key, not the connection string), or make a new SAS token; for a ' +
    'service principal check tenant, client and the value (not the id) of the secret, and that it has not expired.',
  DENIED:
    'Service principal or managed identity: az role assignment create --assignee CLIENT_ID --role "Storage Blob Data ' +
    'Reader" --scope STORAGE_ACCOUNT_ID; for exports "Storage Blob Data Contributor". With a role on the container alone, ' +
    'signed URLs also need "Storage Blob Delegator" on the account. A SAS needs sp=rl, for exports sp=racwdl. Anonymous: az storage container set-permission --name CONTAINER ' +
    '--account-name ACCOUNT --public-access container. Then look at ' +
    'the networking rules of the account.',
  NO_SUCH_BUCKET:
    'Check the spelling of the container, and the account. Anonymous: its public access level must be Container.',
  UNRESOLVABLE_HOST:
    'Check the name of the storage account; in a sovereign cloud or with an emulator set the endpoint.',
  CONSOLE_URL:
    'Leave the endpoint empty for Azure; portal.azure.com is the page on which you manage containers, and a *.web.core ' +
    'address is a website. The blob service is at *.blob.core.windows.net.',
}

/**
 * The CORS rule of an account (Azure CLI reference, "az storage cors add"). It allows any origin, because browsers send the
 * origin `null` after a redirect from another site (Fetch standard, "redirect-tainted origin"). The signature decides who may
 * read.
 */
export const corsRule =
  "az storage cors add --account-name ACCOUNT --services b --methods GET HEAD --origins '*' --allowed-headers '*' " +
  "--exposed-headers '*' --max-age 3600."
