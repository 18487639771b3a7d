/*
 * A column of an Arrow file (IPC, https://arrow.apache.org/docs/format/Columnar.html): files with a
 * footer, and streams, which is what Hugging Face datasets keep. Columns are lists of integers
 * (List, LargeList, FixedSizeList) or text (Utf8, LargeUtf8); a row is a document. Other columns,
 * nested ones too, are passed over.
 *
 *   stream   messages: the schema, then dictionaries and batches of rows, until the end or an empty
 *            message; a message is u32 0xffffffff (older ones: without), i32 bytes of metadata,
 *            the metadata (FlatBuffers), and a body of as many bytes as they say
 *   file     "ARROW1\0\0", a stream, the footer, i32 bytes of it, "ARROW1"
 *
 * The metadata are hostile: each place is checked against the bytes there are, the number of
 * columns is bounded, and so is what compressed buffers may become.
 */
#ifndef PXI_DATA_IMPORT_ARROW_H
#define PXI_DATA_IMPORT_ARROW_H

#include "data/import.h"
#include "data/import_json.h"

/* Kinds of columns that are read. */
enum pxi_arrow_kind {
    PXI_ARROW_LIST,       /* offsets of 4 bytes, then those of the values */
    PXI_ARROW_LARGE_LIST, /* ... of 8 bytes */
    PXI_ARROW_FIXED_LIST, /* no offsets: so many values each */
    PXI_ARROW_TEXT,
    PXI_ARROW_LARGE_TEXT,
};

struct pxi_arrow {
    px_view file;
    bool stream;
    px_view footer; /* of a file: its metadata */
    size_t first;   /* of a stream: where the messages behind the schema begin */
    enum pxi_arrow_kind kind;
    struct pxi_import_type type; /* of lists */
    uint64_t each;               /* values of each list, if fixed */
    uint32_t node, buffer;       /* of the column, among those of a batch */
    uint32_t views;              /* columns before it whose buffers are counted in the batch */
};

/* Read the schema and choose the column. PX_ERR_CORRUPT, _TRUNCATED, _VERSION, _LIMIT; _NOT_FOUND:
 * no such column; _UNSUPPORTED: it has another type, or is big-endian. */
px_err pxi_arrow_open(px_view file, const struct pxi_import_column *column, struct pxi_arrow *out,
                      px_diag *d);

/* Hand out the rows; those that are null or empty are counted in *empty. PX_ERR_UNSUPPORTED: lists
 * that hold nulls; PX_ERR_LIMIT: buffers that unpack to more than data.unpacked. */
px_err pxi_arrow_read(const struct pxi_arrow *a, const struct pxi_import_sink *sink,
                      uint64_t *empty, px_diag *d);

/*
 * Folders of such files, as Dataset.save_to_disk of Hugging Face makes them: state.json names them
 * in their order, {"_data_files": [{"filename": ...}]}. The name is as JSON has it, for
 * pxi_walk_path; empty: an entry has none. PX_ERR_CORRUPT, _TRUNCATED.
 */
px_err pxi_arrow_files_open(px_view state, struct pxi_json *out, px_diag *d);
px_err pxi_arrow_files_next(struct pxi_json *j, px_view *name, bool *end, px_diag *d);

#endif
