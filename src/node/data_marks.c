/* Marks: at byte 0 and byte 512 of their file a magic, the job, the fields, a CRC32C. */
#include "node/data_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/disk.h"

enum {
    FIELDS = sizeof(struct pxi_data_mark) / 8,
    HEAD = 8 + 32,
    USED = HEAD + FIELDS * 8 + 4,
    SLOT = 512
};
static const char magic[8] = {'P', 'X', 'M', 'A', 'R', 'K', '1', '\n'};

struct pxi_data_marks {
    char *path;
    struct pxi_file *file;
    const struct pxi_ndp_sums *sums;
    uint8_t job[32];
    struct pxi_data_mark slot[2]; /* sequence 0: none */
};

static bool read_slot(const struct pxi_data_marks *m, unsigned i, struct pxi_data_mark *out)
{
    uint8_t raw[USED];
    uint64_t fields[FIELDS];
    if (pxi_disk_read(m->file, (uint64_t)i * SLOT, raw, USED) != PX_ERR_OK)
        return false;
    if (memcmp(raw, magic, 8) != 0 || memcmp(raw + 8, m->job, 32) != 0 ||
        pxi_ndp_le(raw + USED - 4, 4) != m->sums->crc32c(0, raw, USED - 4))
        return false;
    for (unsigned k = 0; k < FIELDS; k++)
        fields[k] = pxi_ndp_le(raw + HEAD + 8 * k, 8);
    memcpy(out, fields, sizeof *out);
    return true;
}

static px_err busy(const char *path, px_err err, px_diag *d)
{
    pxi_diag_field(d, "%.90s", path);
    if (err == PX_ERR_PERMISSION && errno == EWOULDBLOCK)
        return pxi_diag_set(d, err, 0, "one conversion to it at a time", "another process");
    return pxi_diag_set(d, err, 0, "a file that can be written", "%s", px_err_text(err));
}

px_err pxi_data_marks_open(const char *path, const uint8_t job[32], const struct pxi_ndp_sums *sums,
                           struct pxi_data_marks **out, px_diag *d)
{
    struct pxi_data_marks *m = *out = pxi_calloc(1, sizeof *m);
    if (!m || !(m->path = pxi_strdup_view(px_view_str(path)))) {
        pxi_free(m);
        return PX_ERR_NOMEM;
    }
    m->sums = sums;
    memcpy(m->job, job, sizeof m->job);
    px_err err = pxi_disk_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0666, &m->file);
    if (!err)
        err = pxi_disk_lock(m->file);
    if (err) {
        busy(path, err, d);
        pxi_data_marks_close(m, false);
        *out = NULL;
        return err;
    }
    for (unsigned i = 0; i < 2; i++)
        if (!read_slot(m, i, &m->slot[i]))
            m->slot[i].sequence = 0;
    return PX_ERR_OK;
}

bool pxi_data_marks_find(const struct pxi_data_marks *m, uint64_t sequence,
                         struct pxi_data_mark *out)
{
    unsigned i =
        sequence ? m->slot[1].sequence == sequence : m->slot[1].sequence > m->slot[0].sequence;
    *out = m->slot[i];
    return out->sequence && (!sequence || out->sequence == sequence);
}

px_err pxi_data_marks_add(struct pxi_data_marks *m, const struct pxi_data_mark *mark)
{
    uint8_t raw[SLOT] = {0};
    uint64_t fields[FIELDS];
    unsigned i = mark->sequence % 2;
    memcpy(fields, mark, sizeof fields);
    memcpy(raw, magic, 8);
    memcpy(raw + 8, m->job, 32);
    for (unsigned k = 0; k < FIELDS; k++)
        pxi_ndp_put_le(raw + HEAD + 8 * k, 8, fields[k]);
    pxi_ndp_put_le(raw + USED - 4, 4, m->sums->crc32c(0, raw, USED - 4));
    px_err err = pxi_disk_write(m->file, (uint64_t)i * SLOT, px_view_of(raw, SLOT));
    if (!err)
        err = pxi_disk_sync(m->file);
    if (!err)
        m->slot[i] = *mark;
    return err;
}

void pxi_data_marks_close(struct pxi_data_marks *m, bool remove)
{
    if (!m)
        return;
    if (remove)
        unlink(m->path);
    pxi_disk_close(m->file);
    pxi_free(m->path);
    pxi_free(m);
}
