/*
 * BLAKE3 (the default hash mode, 32 bytes of output), from its specification: chunks of 1024 bytes
 * are the leaves of a binary tree whose left subtrees are complete. Chunks and parents are
 * compressed many at a time by the lanes of a vector where the processor has them.
 */
#include "crypto/blake3.h"

#include "crypto/hash.h"

enum {
    BLOCK = 64,
    CHUNK_START = 1,
    CHUNK_END = 2,
    PARENT = 4,
    ROOT = 8,
    GROUP = 128,    /* chunks hashed together: a complete subtree */
    MAX_DEPTH = 50, /* subtrees on the stack: 2^64 bytes are 2^47 groups */
};

const uint32_t pxi_blake3_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t schedule[7][16] = PXI_BLAKE3_SCHEDULE;

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void mix(uint32_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x,
                uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 7);
}

static uint32_t load32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* One compression of a block of n bytes into the chaining value. */
static void compress(uint32_t cv[8], const uint8_t block[BLOCK], uint64_t counter, uint32_t n,
                     uint32_t flags)
{
    const uint32_t *iv = pxi_blake3_iv;
    uint32_t m[16], v[16] = {
                        cv[0],
                        cv[1],
                        cv[2],
                        cv[3],
                        cv[4],
                        cv[5],
                        cv[6],
                        cv[7],
                        iv[0],
                        iv[1],
                        iv[2],
                        iv[3],
                        (uint32_t)counter,
                        (uint32_t)(counter >> 32),
                        n,
                        flags,
                    };
    for (unsigned i = 0; i < 16; i++)
        m[i] = load32(block + 4 * i);
#pragma GCC unroll 7 /* makes the schedule constant */
    for (unsigned r = 0; r < 7; r++) {
        const uint8_t *s = schedule[r];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (unsigned i = 0; i < 8; i++)
        cv[i] = v[i] ^ v[i + 8];
}

static void store_cv(const uint32_t cv[8], uint8_t out[PXI_DIGEST])
{
    for (unsigned i = 0; i < PXI_DIGEST; i++)
        out[i] = (uint8_t)(cv[i / 4] >> (8 * (i % 4)));
}

/* The chaining value of one chunk of at most 1024 bytes; `root` is ROOT when it is the only one. */
static void hash_chunk(const uint8_t *in, size_t n, uint64_t counter, uint32_t root,
                       uint8_t out[PXI_DIGEST])
{
    uint32_t cv[8], flags = CHUNK_START;
    memcpy(cv, pxi_blake3_iv, sizeof cv);
    for (; n > BLOCK; in += BLOCK, n -= BLOCK, flags = 0)
        compress(cv, in, counter, BLOCK, flags);
    uint8_t last[BLOCK] = {0};
    if (n)
        memcpy(last, in, n);
    compress(cv, last, counter, (uint32_t)n, flags | CHUNK_END | root);
    store_cv(cv, out);
}

/* The parent of two chaining values that lie side by side. */
static void hash_parent(const uint8_t pair[2 * PXI_DIGEST], uint32_t root, uint8_t out[PXI_DIGEST])
{
    uint32_t cv[8];
    memcpy(cv, pxi_blake3_iv, sizeof cv);
    compress(cv, pair, 0, BLOCK, PARENT | root);
    store_cv(cv, out);
}

/* Chunks of one group: whole ones by lanes where there are any, the rest one by one. */
static size_t hash_chunks(pxi_blake3_many *many, const uint8_t *in, size_t n, uint64_t counter,
                          uint8_t *cvs)
{
    size_t done = 0, count = (n + PXI_BLAKE3_CHUNK - 1) / PXI_BLAKE3_CHUNK;
    if (many)
        done = many(in, n / PXI_BLAKE3_CHUNK, PXI_BLAKE3_CHUNK, counter, 1, cvs);
    for (; done < count; done++) {
        size_t at = done * PXI_BLAKE3_CHUNK, left = n - at;
        hash_chunk(in + at, left < PXI_BLAKE3_CHUNK ? left : PXI_BLAKE3_CHUNK, counter + done, 0,
                   cvs + done * PXI_DIGEST);
    }
    return count;
}

/* One level up: pairs become parents, an odd one at the end rises as it is. out may be in. */
static size_t hash_level(pxi_blake3_many *many, const uint8_t *in, size_t count, uint8_t *out)
{
    size_t done = 0, pairs = count / 2;
    if (many)
        done = many(in, pairs, BLOCK, 0, 0, out);
    for (; done < pairs; done++)
        hash_parent(in + done * BLOCK, 0, out + done * PXI_DIGEST);
    if (count % 2)
        memmove(out + pairs * PXI_DIGEST, in + 2 * pairs * PXI_DIGEST, PXI_DIGEST);
    return pairs + count % 2;
}

/* The tree over at most GROUP chunks, until `stop` chaining values (1 or 2) are left. */
static size_t hash_group(pxi_blake3_many *many, const uint8_t *in, size_t n, uint64_t counter,
                         size_t stop, uint8_t *cvs)
{
    size_t count = hash_chunks(many, in, n, counter, cvs);
    while (count > stop)
        count = hash_level(many, cvs, count, cvs);
    return count;
}

void pxi_blake3_with(pxi_blake3_many *many, px_view in, uint8_t out[PXI_DIGEST])
{
    enum { GROUP_BYTES = GROUP * PXI_BLAKE3_CHUNK };
    uint8_t cvs[GROUP * PXI_DIGEST], stack[MAX_DEPTH * PXI_DIGEST], *top = stack;
    uint64_t groups = 0;
    if (in.n <= PXI_BLAKE3_CHUNK) {
        hash_chunk(in.p, in.n, 0, ROOT, out);
        return;
    }
    /* Complete groups, all but the last; the bits of their number are the subtrees on the stack. */
    for (; in.n > GROUP_BYTES; in.p += GROUP_BYTES, in.n -= GROUP_BYTES) {
        hash_group(many, in.p, GROUP_BYTES, groups * GROUP, 1, cvs);
        memcpy(top, cvs, PXI_DIGEST);
        top += PXI_DIGEST;
        for (uint64_t bits = ++groups; bits % 2 == 0; bits /= 2, top -= PXI_DIGEST)
            hash_parent(top - 2 * PXI_DIGEST, 0, top - 2 * PXI_DIGEST);
    }
    hash_group(many, in.p, in.n, groups * GROUP, groups ? 1 : 2, cvs);
    if (groups == 0) {
        hash_parent(cvs, ROOT, out);
        return;
    }
    for (memcpy(top, cvs, PXI_DIGEST); top > stack + PXI_DIGEST; top -= PXI_DIGEST)
        hash_parent(top - PXI_DIGEST, 0, top - PXI_DIGEST);
    hash_parent(stack, ROOT, out);
}

void pxi_blake3(px_view in, uint8_t out[PXI_DIGEST])
{
    pxi_blake3_with(pxi_blake3_form(0), in, out);
}

void pxi_blake3_subtree(px_view in, uint64_t counter, uint8_t out[PXI_DIGEST])
{
    uint8_t cvs[GROUP * PXI_DIGEST];
    hash_group(pxi_blake3_form(0), in.p, in.n, counter, 1, cvs);
    memcpy(out, cvs, PXI_DIGEST);
}

void pxi_blake3_parent(const uint8_t pair[2 * PXI_DIGEST], int root, uint8_t out[PXI_DIGEST])
{
    hash_parent(pair, root ? ROOT : 0, out);
}

void pxi_blake3_pairs(const uint8_t *in, size_t count, uint8_t *out)
{
    hash_level(pxi_blake3_form(0), in, count, out);
}
