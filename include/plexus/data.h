/*
 * Training data: files of packets (.qubgpu, version 2.1) and stores (.ndp3), and a loader that
 * turns them into batches. docs/formats/ndp.md has the bytes, docs/internals/data.md the rules.
 *
 * A px_data may be read by any number of threads. A px_loader belongs to one thread; it has threads
 * of its own, which fill batches ahead. Nothing here uses locks in shared memory or files beside
 * the data: a process that is killed leaves nothing behind.
 */
#ifndef PLEXUS_DATA_H
#define PLEXUS_DATA_H

#include "plexus/err.h"
#include "plexus/tokenizer.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

typedef struct px_data px_data;

/* Long work reports how much of how much is done; not 0 ends it with PX_ERR_INTERRUPTED. */
typedef int px_data_progress(void *ctx, uint64_t done, uint64_t all);

typedef struct px_data_options {
    size_t size; /* sizeof(px_data_options) */
    const char
        *crc; /* of packets: "ccitt_false", "xmodem", "aug", "kermit", "x25"; NULL: found out */
    const char
        *cover; /* what it covers: "all", "payload", "body"; NULL: found out, "all" with crc */
    px_data_progress *progress;
    void *ctx;
    int writable; /* 1: the bytes of samples may be written, as px_file_open_private says */
    /* Of what lies elsewhere: */
    uint64_t cache_bytes; /* that are kept in memory; 0: 1 GiB */
    uint32_t timeout_ms;  /* until a server counts as silent; 0: 10,000 */
} px_data_options;

/*
 * Map a file of packets or a store. Packets are all read once, to find where they begin; a store
 * opens in the time of its directory. options may be NULL. Damaged packets are counted, not an
 * error. PX_ERR_NOT_FOUND, _PERMISSION, _NOT_A_FILE, _TRUNCATED, _CORRUPT, _VERSION, _LIMIT,
 * _NOMEM, _INTERRUPTED.
 *
 * `path` may be http://HOST/PATH or https: then blocks of the file are fetched by ranges when they
 * are needed, checked, and kept while there is room for them (docs/internals/data.md, "Files that
 * lie elsewhere"). A file of packets, and any file of a server without ranges, is fetched as a
 * whole and must fit the cache (PX_ERR_LIMIT). Also PX_ERR_UNREACHABLE, _TIMEOUT, _RESET,
 * _PROTOCOL, _CHANGED (its size or tag is not what it was), _IDENTITY (https: another host
 * answers), _UNSUPPORTED, _INVALID; all that read samples may fail with these, too.
 */
PX_API PX_NODISCARD px_err px_data_open(const char *path, const px_data_options *options,
                                        px_data **out, px_diag *diag);
/* Not while a loader or a view of it lives. NULL is allowed. */
PX_API void px_data_close(px_data *d);

typedef struct px_data_info {
    int store; /* 1: NDP3; 0: packets */
    uint64_t bytes, samples, tokens;
    uint32_t longest;  /* tokens of the longest sample */
    uint32_t segments; /* of a store */
    uint32_t vocab;    /* tokens are below it; 0: not known */
    int32_t bos, eos, pad;
    unsigned token_bytes; /* of a token as it is stored: 2 or 4 */
    const char *crc, *cover;
    unsigned agreed, checked; /* packets at the beginning that agreed with crc and cover */
    uint64_t dropped[3];      /* damaged, out of step, cut: spans that are no packets */
    uint64_t dropped_bytes;
    uint64_t generation;   /* commits of a store */
    uint8_t hash[32];      /* of a store: BLAKE3 of its directory, the digest of its CID */
    uint8_t tokenizer[32]; /* BLAKE3 of the tokenizer's file; 0: not known */
} px_data_info;

/* What is known of it. */
PX_API void px_data_get_info(const px_data *d, px_data_info *out);

/* The CID of a store, written to out (cap bytes, 80 are enough); returns out. */
PX_API char *px_data_cid(const px_data_info *i, char *out, size_t cap);

/* Why spans were dropped: name of dropped[i], NULL for others. */
PX_API const char *px_data_drop_name(unsigned i);
/* Names of the codes of sources, destinations and types; NULL: it has none. */
PX_API const char *px_data_src_name(unsigned code);
PX_API const char *px_data_dst_name(unsigned code);
PX_API const char *px_data_typ_name(unsigned code);

typedef struct px_sample {
    px_view bytes;   /* as they are stored; in the mapping */
    uint32_t tokens; /* 0: not a sample of tokens */
    unsigned token_bytes;
    int big_endian; /* packets: int32, at any address; else little-endian, aligned */
    uint8_t src, dst, typ;
    int continues; /* the document of the sample before goes on */
} px_sample;

/* Sample i. PX_ERR_NOT_FOUND: there are fewer; PX_ERR_CORRUPT: its checksum is wrong. */
PX_API PX_NODISCARD px_err px_data_sample(const px_data *d, uint64_t i, px_sample *out);
/* Its bytes are not read any more. Of a file that is mapped this does nothing; of one that lies
 * elsewhere they stay in memory until then. */
PX_API void px_data_give_back(const px_data *d, const px_sample *s);

/* What was done to bring a file that lies elsewhere; all 0 for one that is mapped. */
typedef struct px_data_traffic {
    int elsewhere;              /* 1: it is */
    uint64_t hits, misses;      /* blocks that were here when they were needed; that were not */
    uint64_t ahead;             /* blocks that were asked for before they were needed */
    uint64_t evicted;           /* blocks whose room others took */
    uint64_t bytes, here;       /* that came; that are in memory */
    uint64_t requests, retries; /* of the server; of those, because something failed */
    uint64_t wrong, damaged;    /* blocks that came with a wrong checksum; that did so each time */
    uint64_t first_damaged;     /* offset in the file of the first of those */
} px_data_traffic;

/* So far, since it was opened. */
PX_API void px_data_get_traffic(const px_data *d, px_data_traffic *out);
/* Why bytes could not be brought the last time; *diag is left as it is when they always could. */
PX_API void px_data_why(const px_data *d, px_diag *diag);
/*
 * The samples of tokens from `first` on, `count` at most, that lie one behind the other in the
 * mapping of a store, as one sample: *got is how many, 1 at least. All of them have their
 * checksums. PX_ERR_UNSUPPORTED: packets, whose tokens do not lie side by side, and files that lie
 * elsewhere; else as px_data_sample.
 */
PX_API PX_NODISCARD px_err px_data_window(const px_data *d, uint64_t first, uint64_t count,
                                          px_sample *out, uint64_t *got);
/* Its tokens from `from` on as native integers, at most cap of them; how many is returned. */
PX_API size_t px_sample_tokens(const px_sample *s, uint32_t from, int32_t *out, size_t cap);

/* Every byte of the file. PX_ERR_CORRUPT with the first that is wrong (packets: the first span that
 * was dropped); PX_ERR_INTERRUPTED. */
PX_API PX_NODISCARD px_err px_data_verify(const px_data *d, px_data_progress *progress, void *ctx,
                                          px_diag *diag);

/* ------------------------------------------------------------------ writing */

typedef struct px_data_writer px_data_writer;

typedef struct px_data_writer_options {
    size_t size;           /* sizeof(px_data_writer_options) */
    int append;            /* to the store at `path`, which is made when missing; 0: a new one */
    unsigned token_bytes;  /* 2 or 4; 0: 2 when vocab is known and at most 65536 */
    uint32_t vocab;        /* 0: not known */
    int32_t bos, eos, pad; /* -1: none */
    uint8_t tokenizer[32];
} px_data_writer_options;

/* A new store is written beside `path` and takes its place with the first commit. PX_ERR_IO,
 * _PERMISSION, _NOMEM; appending: what px_data_open says of a store. */
PX_API PX_NODISCARD px_err px_data_writer_new(const char *path,
                                              const px_data_writer_options *options,
                                              px_data_writer **out, px_diag *diag);
/* A sample of tokens. PX_ERR_LIMIT: 2^24 bytes or more, or a token that does not fit. */
PX_API PX_NODISCARD px_err px_data_write(px_data_writer *w, uint8_t src, uint8_t dst,
                                         const int32_t *tokens, size_t count, int continues);
/* All that was written counts from now on, also after a crash. */
PX_API PX_NODISCARD px_err px_data_commit(px_data_writer *w);
/* What was not committed is lost. */
PX_API void px_data_writer_free(px_data_writer *w);

/* --------------------------------------------------------------- converting */

typedef struct px_data_convert_options {
    size_t size; /* sizeof(px_data_convert_options) */
    /* "ndp", "ndp3", "jsonl", "text"; "megatron" (the .bin; the .idx lies beside it), "llmc",
     * "datatrove" (the .ds; .ds.index lies beside it), "arrow" (a file, or a folder with a
     * state.json); "mds" and "litdata" (the folder, or its index.json). NULL: from the file. */
    const char *from;
    /* "ndp", "ndp3", "jsonl", "megatron" (the .bin; the .idx is written beside it), "llmc". NULL:
     * from the name: .qubgpu, .ndp, .ndp3, .jsonl. */
    const char *to;
    const px_tokenizer *tokenizer; /* that makes tokens of text */
    uint32_t max_tokens;           /* longer documents become several samples; 0: 512 */
    unsigned token_bytes; /* of a token in a store, or for another tool: 2 or 4; 0: as in IN, or 2
                           * where the vocabulary allows it */
    uint8_t src, dst;     /* of what is not from packets; 0: 1 */
    int has_eot;          /* 1: documents of llmc begin with token `eot`, in IN and in OUT */
    int32_t eot;
    const char *bad; /* where lines go that are malformed; NULL: they are dropped */
    px_data_progress *progress;
    void *ctx;
    /* Of mds and arrow: "NAME", or "NAME:TYPE" where the file does not say how tokens are stored
     * ("tokens:uint16"). NULL: input_ids, tokens or text, or the only one. */
    const char *column;
    unsigned threads;      /* that make tokens of JSON lines; 0: one a processor, 1: the caller */
    uint64_t commit_bytes; /* of JSON lines from one commit to the next, or more; 0: 32 MiB */
} px_data_convert_options;

typedef struct px_data_convert_report {
    const char *from, *to;
    uint64_t documents, samples, tokens, bytes_in;
    uint64_t malformed, first_malformed; /* lines; number of the first, 0: none */
    px_diag first;                       /* what was wrong with it */
    uint64_t dropped;                    /* spans that are no packets, and were not carried over */
    uint64_t left_out;                   /* samples without tokens, which OUT cannot hold */
    uint64_t resumed; /* line behind which it went on from an interrupted one; 0: from the first */
    uint64_t committed; /* interrupted: line behind which the same conversion will go on; 0: none */
} px_data_convert_report;

/*
 * Write the training data of one file as another format, which takes the place of `out` when it is
 * whole. Packets to a store and back give the same bytes. Of JSONL, each line is an object with
 * "text" or "tokens"; a malformed line is counted and goes to `bad`. Text is one document a file.
 * Of JSONL to packets, a store or JSONL: the bytes are the same for any number of threads; until it
 * is whole OUT.part holds the output and OUT.resume how far it came, committed now and then, so
 * that who was killed goes on when the same conversion is asked for again, and ends with the same
 * bytes. PX_ERR_INVALID: an unknown format, or text without a tokenizer. Else the errors of reading
 * and writing.
 */
PX_API PX_NODISCARD px_err px_data_convert(const char *in, const char *out,
                                           const px_data_convert_options *options,
                                           px_data_convert_report *report, px_diag *diag);

/* ------------------------------------------------------------------ mixtures */

/* Which source each draw of a loader with several sources is from. */
typedef struct px_mix px_mix;

typedef struct px_mix_source {
    uint64_t weight, samples; /* above 0 */
    int once;                 /* 1: it is through after one epoch; 0: it begins again */
} px_mix_source;

/* 1 to 255 sources. After every number of draws each is within one of its share. PX_ERR_INVALID: a
 * weight or a size of 0, or too many; PX_ERR_NOMEM. */
PX_API PX_NODISCARD px_err px_mix_new(const px_mix_source *sources, unsigned count, px_mix **out);
PX_API void px_mix_free(px_mix *m);

/* Draws until all are through; UINT64_MAX when one begins again. */
PX_API uint64_t px_mix_draws(const px_mix *m);
/* Source of a draw below that, and how many draws of that source came before. */
PX_API unsigned px_mix_at(const px_mix *m, uint64_t draw, uint64_t *nth);
/* Draws of a source among so many first ones. */
PX_API uint64_t px_mix_count(const px_mix *m, unsigned source, uint64_t draws);
/* The weight that a source has at first, of *sum, which is the period of the schedule. *rounded:
 * it is not quite as given. */
PX_API uint64_t px_mix_weight(const px_mix *m, unsigned source, uint64_t *sum, int *rounded);

/* ------------------------------------------------------------------- loader */

typedef struct px_loader px_loader;

typedef enum px_packing {
    PX_PACK_PAD,       /* a row is a sample, cut or filled up */
    PX_PACK_CHUNK,     /* samples one behind the other, cut into full rows */
    PX_PACK_FIRST_FIT, /* whole samples, each in the first row that has room */
    PX_PACK_BEST_FIT,  /* whole samples, longest first, each in the row that it fills best */
} px_packing;

typedef enum px_labels {
    PX_LABELS_NONE,
    PX_LABELS_SAME, /* those of the row itself, as models that shift them expect */
    PX_LABELS_NEXT, /* label i is token i + 1 */
} px_labels;

/* What becomes of samples whose checksum is wrong. */
typedef enum px_damage {
    PX_DAMAGE_REFILL,     /* another sample of the source, drawn by the seed, takes the place */
    PX_DAMAGE_DROP,       /* the row is left out; in packed rows the sample is masked */
    PX_DAMAGE_ERROR,      /* px_loader_next fails with PX_ERR_CORRUPT */
    PX_DAMAGE_QUARANTINE, /* as refill, and px_loader_quarantined names it */
} px_damage;

enum { PX_LABEL_IGNORED = -100, PX_LOADER_STATE = 64 };

typedef struct px_loader_source {
    px_data *data;
    uint64_t weight; /* of its rows among all, with other sources; 0: as many as it has */
    int once;        /* 1: it is through after one epoch; 0: it begins again */
} px_loader_source;

typedef struct px_loader_options {
    size_t size; /* sizeof(px_loader_options) */
    const px_loader_source *sources;
    unsigned source_count;
    uint32_t batch;      /* rows of a batch of this rank */
    uint32_t row_tokens; /* of a row */
    px_packing packing;
    px_labels labels;
    int ids64, labels64;      /* 1: int64; 0: int32 */
    int documents, positions; /* 1: wanted in batches */
    int cross;                /* 1: labels may cross from a document to the next */
    int32_t pad;              /* fills rows up */
    uint64_t seed;
    int sequential;       /* 1: in the order of the files; 0: shuffled anew for each epoch */
    uint64_t epochs;      /* rows of so many times all samples; 0: without end */
    uint32_t rank, world; /* this one of so many that share the rows; world 0: alone */
    unsigned threads;     /* that fill batches; 0: the caller does */
    unsigned ahead;       /* batches filled ahead; 0: 4, or 16 of what lies elsewhere */
    px_damage damage;
    int unchecked;    /* 1: checksums are not looked at */
    double drop_rate; /* of samples that are dropped at random, by the seed */
    /* Bit sets of 256 codes that are let in; NULL: all. Samples without tokens never are. */
    const uint8_t *src, *dst, *typ;
} px_loader_options;

/* PX_ERR_INVALID (the diagnosis names the option), _NOT_FOUND (no sample is left), _NOMEM. */
PX_API PX_NODISCARD px_err px_loader_new(const px_loader_options *options, px_loader **out,
                                         px_diag *diag);
/* No batch of it may be in use. NULL is allowed. */
PX_API void px_loader_free(px_loader *l);

typedef struct px_batch {
    uint32_t rows, row_tokens;
    const void *ids;          /* rows x row_tokens, int32 or int64, aligned to 64 bytes */
    const void *labels;       /* or NULL; PX_LABEL_IGNORED where nothing is to be learned */
    const int32_t *documents; /* or NULL; number of the document in its row, -1: filled up */
    const int32_t *positions; /* or NULL; in the document's part in this row */
    const uint32_t *lengths;  /* rows; tokens that are not filled up */
    const uint64_t *numbers;  /* rows; the row's first sample, in the top 8 bits its source */
    uint64_t position;        /* of the first row among the rows of all ranks */
    uint64_t tokens;          /* sum of lengths */
} px_batch;

/*
 * The next batch; *out is NULL at the end. It stays as it is until it is given back, in any order.
 * The last batch may have fewer rows; of several ranks some may then have none, so that all end
 * with the same call. PX_ERR_CORRUPT (PX_DAMAGE_ERROR), PX_ERR_NOMEM. When what lies elsewhere
 * could not be brought, its error; called again, it tries the same batch again.
 */
PX_API PX_NODISCARD px_err px_loader_next(px_loader *l, const px_batch **out, px_diag *diag);
/* The batch, and all that points into it, is the loader's again. */
PX_API void px_loader_give_back(px_loader *l, const px_batch *batch);

/*
 * Where the loader is: after the batches that px_loader_next has given. The state is of all ranks
 * (they move together), and of any number of them, of threads, and of rows in a batch.
 */
PX_API void px_loader_state(const px_loader *l, uint8_t out[PX_LOADER_STATE]);
/* Go on from there, before the first batch. PX_ERR_CORRUPT: not a state; PX_ERR_INVALID: of other
 * data, seed, packing or weights. */
PX_API PX_NODISCARD px_err px_loader_resume(px_loader *l, const uint8_t state[PX_LOADER_STATE],
                                            px_diag *diag);
/* Leave out so many rows of all ranks. */
PX_API PX_NODISCARD px_err px_loader_skip(px_loader *l, uint64_t rows);

typedef struct px_loader_counts {
    uint64_t batches, rows, tokens; /* given; tokens without what was filled up */
    uint64_t damaged, dropped;      /* samples whose checksum was wrong; dropped at random */
    uint64_t refilled, masked;      /* rows, and parts of rows, that were therefore */
    uint64_t waits;                 /* batches that were not ready when they were asked for */
    uint64_t moved;                 /* bytes written to batches: without damage each of them once */
    uint64_t slots;                 /* memory for batches that was added because all were kept */
} px_loader_counts;

/* What it did so far. */
PX_API void px_loader_get_counts(const px_loader *l, px_loader_counts *out);
/* The i-th sample that was quarantined, as in px_batch.numbers; UINT64_MAX: there are fewer, or
 * more than are kept (1,024). */
PX_API uint64_t px_loader_quarantined(const px_loader *l, uint64_t i);

PX_END_DECLS

#endif
