/* Version and commit of the library. */
#include "plexus/version.h"

#include "commit.h" /* generated at build time: PX_COMMIT */

const char *px_version(void)
{
    return PX_VERSION;
}
const char *px_version_commit(void)
{
    return PX_COMMIT;
}
