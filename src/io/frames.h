/*
 * Memory for frames: aligned to 2 MiB and never moved, so that it can be given to a device; with a
 * descriptor, so that it can be shown to another process. Huge pages are reserved ones (hugetlb),
 * or transparent ones where the kernel grants them, or normal pages; which it is, is known.
 */
#ifndef PXI_IO_FRAMES_H
#define PXI_IO_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pxi_frames_rung { PXI_FRAMES_HUGE, PXI_FRAMES_TRANSPARENT, PXI_FRAMES_NORMAL };

struct pxi_frames {
    uint8_t *p; /* zeroed */
    size_t bytes;
    enum pxi_frames_rung rung;
    int fd;    /* its memory, which never shrinks; -1: it has none */
    bool cuda; /* registered with the driver of CUDA */
};

/* At least so many bytes, rounded up to pages; 0, or -1 without memory. */
int pxi_frames_map(struct pxi_frames *f, size_t bytes);
/* The same without a descriptor: a child has a copy of its own. */
int pxi_frames_map_own(struct pxi_frames *f, size_t bytes);
/* Page-lock it for the GPU, where this process uses CUDA: its driver is loaded and a context is
 * current (cuMemHostRegister, portable). False: it is ordinary memory. Undone by unmap. */
bool pxi_frames_register(struct pxi_frames *f);
void pxi_frames_unmap(struct pxi_frames *f);

#endif
