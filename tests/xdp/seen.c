/*
 * What the kernel has of BPF programs, for tests/xdp/init, by their names.
 *
 *     seen count NAME    how many there are
 *     seen verified NAME what the verifier went through, of a million
 *     seen packets       by each px_count (count.bpf.c), the oldest first: of the job, others
 */
#include <bpf/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_next(uint32_t *id, struct bpf_prog_info *info)
{
    uint32_t n = sizeof *info;
    int fd = bpf_prog_get_next_id(*id, id) ? -1 : bpf_prog_get_fd_by_id(*id);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, info, &n)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void show(uint32_t map)
{
    uint64_t n[2] = {0};
    int fd = bpf_map_get_fd_by_id(map);
    for (uint32_t i = 0; i < 2; i++)
        bpf_map_lookup_elem(fd, &i, &n[i]);
    printf("%llu %llu\n", (unsigned long long)n[0], (unsigned long long)n[1]);
    close(fd);
}

int main(int argc, char **argv)
{
    const char *name = argc > 2 ? argv[2] : "px_count";
    uint32_t id = 0;
    unsigned count = 0, verified = 0;
    for (;;) {
        uint32_t map = 0;
        struct bpf_prog_info info = {.nr_map_ids = 1, .map_ids = (uintptr_t)&map};
        int fd = open_next(&id, &info);
        if (fd < 0)
            break;
        if (strcmp(info.name, name) == 0) {
            count++;
            verified = info.verified_insns;
            if (argc <= 2)
                show(map);
        }
        close(fd);
    }
    if (argc > 2)
        printf("%u\n", strcmp(argv[1], "count") == 0 ? count : verified);
    return 0;
}
