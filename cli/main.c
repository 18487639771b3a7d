/* Entry of the command line. */
#include <stdio.h>

#include "plexus/plexus.h"

int main(void)
{
    printf("plexus %s\n", px_version());
    return 0;
}
