/*
 * Captured packets: the training data and gradients in a file of pcap or pcapng, one packet after
 * the other. docs/formats/capture.md says how they are carried and found. Reads bytes only: no
 * interface is listened to.
 */
#ifndef PLEXUS_CAPTURE_H
#define PLEXUS_CAPTURE_H

#include "plexus/data.h"
#include "plexus/err.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

typedef struct px_capture px_capture;

typedef struct px_capture_options {
    size_t size; /* sizeof(px_capture_options) */
    const char
        *format;       /* "ndp", "gradient": what all payloads are; NULL: they tell by themselves */
    unsigned port;     /* of UDP, source or destination: others are skipped; 0: any */
    const char *crc;   /* of training data, as px_data_options has it; NULL: "ccitt_false" */
    const char *cover; /* NULL: "all" */
} px_capture_options;

/* A field of the head of a packet, by its name in docs/formats. */
typedef struct px_capture_field {
    const char *name;
    uint64_t value;
    unsigned bytes; /* of it */
    int is_signed;
    char text[64]; /* the name of the value, or of its flags; "" when it has none */
} px_capture_field;

enum { PX_CAPTURE_FIELDS = 24 };

typedef struct px_capture_packet {
    uint64_t record;  /* of the capture, 1 for the first */
    uint64_t offset;  /* of the packet in the file */
    int64_t time_ns;  /* since 1970 */
    unsigned part;    /* of the payload, 0 for the first */
    const char *kind; /* "ndp" or "gradient" */
    const char *drop; /* why it would be dropped, NULL: it is whole */
    px_view bytes;    /* all of it, in the file */
    px_view payload;  /* what follows the head, if that is whole */
    unsigned ip;      /* 4, 6; 0: bare */
    uint8_t src[16], dst[16];
    uint16_t src_port, dst_port;
    int has_crc; /* 1: training data with a CRC: the one there, and the one that should be */
    uint16_t crc, right_crc;
    uint32_t tokens; /* of a packet of tokens: big-endian int32 in payload */
    unsigned field_count;
    px_capture_field fields[PX_CAPTURE_FIELDS]; /* of a head that is there */
} px_capture_packet;

/*
 * Begin at the first record of `file`, which is borrowed. options may be NULL. PX_ERR_INVALID (an
 * unknown format, crc or cover), _TRUNCATED, _CORRUPT, _VERSION, _NOMEM.
 */
PX_API PX_NODISCARD px_err px_capture_new(px_view file, const px_capture_options *options,
                                          px_capture **out, px_diag *diag);
/* NULL is allowed. */
PX_API void px_capture_free(px_capture *c);

/* The next packet, dropped ones included. PX_ERR_NOT_FOUND: there are no more; PX_ERR_TRUNCATED,
 * _CORRUPT, _VERSION, _LIMIT: the file itself is damaged from here on. */
PX_API PX_NODISCARD px_err px_capture_next(px_capture *c, px_capture_packet *out, px_diag *diag);

typedef struct px_capture_count {
    const char *kind; /* "ndp", "gradient"; "record": skipped, with no packet of plexus */
    const char *drop; /* NULL: packets that are whole */
    uint64_t count;
} px_capture_count;

/* Records that were read so far. */
PX_API uint64_t px_capture_records(const px_capture *c);
/* The i-th count of what was read so far. 0: there are fewer. */
PX_API int px_capture_count_at(const px_capture *c, unsigned i, px_capture_count *out);

typedef struct px_capture_written {
    uint64_t records, dropped; /* dropped: of them, spans that are no packets */
    uint64_t bytes;            /* of the file */
} px_capture_written;

/*
 * Write the packets of a file of training data, or of a store, as a file of pcap: a bare record
 * each, and spans that are none in records of at most 65,535 bytes. `out` takes its place when it
 * is whole. Not 0 from `progress` ends it with PX_ERR_INTERRUPTED. What px_data_open says of `in`;
 * PX_ERR_CORRUPT: a damaged sample of a store; PX_ERR_IO, _PERMISSION.
 */
PX_API PX_NODISCARD px_err px_capture_encode(const char *in, const char *out,
                                             px_data_progress *progress, void *ctx,
                                             px_capture_written *written, px_diag *diag);

PX_END_DECLS

#endif
