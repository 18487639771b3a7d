#include "io/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

/* The kernel's own estimate; without it (no /proc) what is free. */
uint64_t pxi_memory_available(void)
{
    char line[128];
    unsigned long long kb = 0;
    struct sysinfo s;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && !kb && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kb) != 1)
            kb = 0;
    if (f)
        fclose(f);
    if (kb)
        return kb * 1024;
    return sysinfo(&s) == 0 ? (uint64_t)s.freeram * s.mem_unit : 0;
}
