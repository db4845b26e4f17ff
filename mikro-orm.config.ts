import { ormOptions } from './src/database/open.ts'

// For the ORM's command line: `npx mikro-orm schema:update --dump` and the like, on the database of DATABASE_URL.
export default ormOptions(process.env.DATABASE_URL ?? 'postgres:///sluice?host=data/postgres&user=sluice')
