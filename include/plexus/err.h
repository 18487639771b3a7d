/* Errors: one table of names, texts, hints and exit codes; and the diagnosis a parser fills. */
#ifndef PLEXUS_ERR_H
#define PLEXUS_ERR_H

#include <stddef.h>
#include <stdint.h>

#include "plexus/version.h"

PX_BEGIN_DECLS

/* Row: name, number, exit code of the command line, retryable, stable code, text, hint. */
#define PX_ERR_TABLE(X)                                                                            \
    X(OK, 0, 0, 0, "PX-OK-000", "success", "")                                                     \
    X(FAILED, -1, 1, 0, "PX-GEN-001", "the operation failed", "see the line above for the reason") \
    X(NOMEM, -2, 1, 1, "PX-GEN-002", "not enough memory",                                          \
      "close other programs, use a smaller model or a shorter context")                            \
    X(INVALID, -3, 2, 0, "PX-GEN-003", "invalid argument", "see the manual page of the command")   \
    X(LIMIT, -4, 1, 0, "PX-GEN-004", "a limit was exceeded",                                       \
      "plexus limits lists every limit and what it protects")                                      \
    X(UNSUPPORTED, -5, 1, 0, "PX-GEN-005", "not supported",                                        \
      "plexus help lists what this version can do")                                                \
    X(INTERRUPTED, -6, 130, 1, "PX-GEN-006", "interrupted", "")                                    \
    X(NOT_FOUND, -10, 3, 0, "PX-IO-010", "not found", "check the path or the name")                \
    X(IO, -11, 1, 1, "PX-IO-011", "input or output error", "check the disk and the permissions")   \
    X(PERMISSION, -12, 5, 0, "PX-IO-012", "permission denied",                                     \
      "check the owner and the mode of the file")                                                  \
    X(NOT_A_FILE, -13, 2, 0, "PX-IO-013", "not a regular file", "give the path of a file")         \
    X(CHANGED, -14, 7, 1, "PX-IO-014", "the file changed or shrank while it was in use",           \
      "restore the file and run the command again")                                                \
    X(TRUNCATED, -20, 7, 0, "PX-FMT-020", "the data end too early",                                \
      "the file is incomplete: fetch it again")                                                    \
    X(CORRUPT, -21, 7, 0, "PX-FMT-021", "the data are malformed",                                  \
      "the file is damaged or not of this format: fetch it again")                                 \
    X(VERSION, -22, 7, 0, "PX-FMT-022", "this version of the format is not supported",             \
      "convert the file with a current tool")                                                      \
    X(ARCH, -30, 1, 0, "PX-MOD-030", "unsupported model architecture",                             \
      "plexus help run lists the architectures that run")                                          \
    X(TENSOR_TYPE, -31, 1, 0, "PX-MOD-031", "unsupported tensor type",                             \
      "use a file quantised to a type that plexus inspect marks as runnable")                      \
    X(TOKENIZER, -32, 1, 0, "PX-MOD-032", "unsupported tokenizer",                                 \
      "plexus help tokenize lists the tokenizer families that are known")                          \
    X(CONTEXT_FULL, -33, 1, 0, "PX-MOD-033", "the context is full",                                \
      "use a longer --ctx or a shorter prompt")                                                    \
    X(TEMPLATE, -34, 1, 0, "PX-MOD-034", "the chat template cannot be rendered",                   \
      "use run --raw with a prompt in the model's own format")                                     \
    X(UNREACHABLE, -40, 4, 1, "PX-NET-040", "the node cannot be reached",                          \
      "start it with plexus up, or check the address")                                             \
    X(TIMEOUT, -41, 6, 1, "PX-NET-041", "timed out", "try again, or raise the timeout")            \
    X(RESET, -42, 4, 1, "PX-NET-042", "the peer closed the connection or reset the stream",        \
      "try again; plexus peers shows who is connected")                                            \
    X(IDENTITY, -43, 7, 0, "PX-NET-043", "the peer is not who it should be",                       \
      "check the peer id in the address; somebody else may answer there")                          \
    X(PROTOCOL, -44, 1, 0, "PX-NET-044", "the peer broke the protocol",                            \
      "plexus peers shows its agent and version; report it to those who made it")                  \
    X(NO_PROTOCOL, -45, 1, 0, "PX-NET-045", "the peer speaks no protocol in common",               \
      "plexus peers shows what it serves; the feature may be off there")                           \
    X(REFUSED, -46, 5, 0, "PX-NET-046", "the peer refused",                                        \
      "its allow-list, a limit or a missing reservation keeps this node out")

typedef enum px_err {
#define X(name, number, exit, retry, code, text, hint) PX_ERR_##name = number,
    PX_ERR_TABLE(X)
#undef X
} px_err;

/* What a parser found wrong. Strings are NUL-terminated; found is escaped for a terminal. */
typedef struct px_diag {
    uint64_t offset;   /* byte offset in the input where the fault was seen */
    char field[96];    /* e.g. "kv[3].value", "tensor[7].offset" */
    char expected[96]; /* e.g. "at most 1024 bytes" */
    char found[96];    /* e.g. "18446744073709551615" */
} px_diag;

/* Name of an error, e.g. "PX_ERR_TRUNCATED". Static storage; "PX_ERR_?" for an unknown number. */
PX_API const char *px_err_name(px_err err);

/* One sentence without a full stop. Static storage. */
PX_API const char *px_err_text(px_err err);

/* What to do next, or "". Static storage. */
PX_API const char *px_err_hint(px_err err);

/* Stable code such as "PX-FMT-020", which `plexus explain` looks up. Static storage. */
PX_API const char *px_err_code(px_err err);

/* Exit code of the command line for this error (docs/ARCHITECTURE.md lists them). */
PX_API int px_err_exit(px_err err);

/* 1 when the same call may succeed later without a change of input, else 0. */
PX_API int px_err_retryable(px_err err);

/* The i-th row of the table, for listings; PX_ERR_OK and *found = 0 past the end. */
PX_API px_err px_err_at(unsigned i, int *found);

PX_END_DECLS

#endif
