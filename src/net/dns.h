/*
 * DNS messages as multicast DNS uses them (RFC 1035, RFC 6762): a reader that never follows a
 * pointer forwards and never recurses, and a writer into a fixed buffer.
 */
#ifndef PXI_NET_DNS_H
#define PXI_NET_DNS_H

#include <stdbool.h>

#include "plexus/view.h"

enum {
    PXI_DNS_A = 1,
    PXI_DNS_PTR = 12,
    PXI_DNS_TXT = 16,
    PXI_DNS_AAAA = 28,
    PXI_DNS_SRV = 33,
    PXI_DNS_ANY = 255,
    PXI_DNS_IN = 1,
    PXI_DNS_FLUSH = 0x8000, /* of a class: the only holder of the record, or a wish for unicast */
};

/* A name without compression: labels behind their lengths, in lower case, up to the root. */
struct pxi_dns_name {
    uint8_t n;
    uint8_t b[255];
};

/* From text with dots, e.g. "_p2p._udp.local"; n == 0 when it is none. */
struct pxi_dns_name pxi_dns_name_of(px_view text);
/* One more label in front; n == 0 when it does not fit. */
struct pxi_dns_name pxi_dns_name_under(px_view label, const struct pxi_dns_name *n);
bool pxi_dns_name_equal(const struct pxi_dns_name *a, const struct pxi_dns_name *b);
/* Whether a is one label in front of b. */
bool pxi_dns_name_is_under(const struct pxi_dns_name *a, const struct pxi_dns_name *b);

struct pxi_dns_reader {
    px_view in;
    size_t at;
    uint16_t id, flags, questions;
    uint32_t answers, records; /* left: of the answer section, of all sections */
    bool response;
};

struct pxi_dns_record {
    struct pxi_dns_name name;
    uint16_t type, class;
    uint32_t ttl_s;
    px_view data;
    size_t data_at; /* offset of the data in the message: names in it may point back */
    bool answer;    /* it stands in the answer section */
};

/* The header. false: too short, or another kind of message. */
bool pxi_dns_open(struct pxi_dns_reader *r, px_view message);
/* The next question (name, type, class); 1 one, 0 the end, -1 malformed. All of them first. */
int pxi_dns_question(struct pxi_dns_reader *r, struct pxi_dns_record *q);
/* The next record of any section; likewise. */
int pxi_dns_record(struct pxi_dns_reader *r, struct pxi_dns_record *out);
/* The name in the data of a record (PTR). */
bool pxi_dns_target(const struct pxi_dns_reader *r, const struct pxi_dns_record *rec,
                    struct pxi_dns_name *out);
/* The next string of a TXT record; false at the end. *at begins at 0. */
bool pxi_dns_string(px_view data, size_t *at, px_view *out);

enum { PXI_DNS_MESSAGE = 1400 };

/* A message under construction; `full` once something did not fit (it was left out). */
struct pxi_dns_writer {
    uint8_t b[PXI_DNS_MESSAGE];
    size_t n, record_at;
    bool full;
};

void pxi_dns_begin(struct pxi_dns_writer *w, bool response);
void pxi_dns_put_question(struct pxi_dns_writer *w, const struct pxi_dns_name *name, uint16_t type);
/* Begin a record; its data follow by pxi_dns_put and _put_name; end it. A record that does not fit
 * is taken back at the end. `additional`: in that section, else in the answers (those first). */
void pxi_dns_put_record(struct pxi_dns_writer *w, const struct pxi_dns_name *name, uint16_t type,
                        uint16_t class, uint32_t ttl_s);
void pxi_dns_put(struct pxi_dns_writer *w, const void *p, size_t n);
void pxi_dns_put_name(struct pxi_dns_writer *w, const struct pxi_dns_name *name);
bool pxi_dns_end_record(struct pxi_dns_writer *w, bool additional);
/* Bytes that data of the open record may still take. */
size_t pxi_dns_room(const struct pxi_dns_writer *w);

#endif
