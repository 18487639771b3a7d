/*
 * How vocabularies spell bytes. SentencePiece: <0xHH>. Byte-level BPE: each byte is one printable
 * character, itself where it is printable in Latin-1, else one of U+0100 to U+0143 in order.
 */
#include "text/tokenizer.h"

enum { FIRST_SPARE = 0x100 };

static int is_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

unsigned pxi_byte_spell(uint8_t byte, uint8_t out[2])
{
    /* The bytes that are not themselves, in order: 0-32, 127-160, 173. */
    uint32_t cp = byte;
    if (!is_itself(byte))
        cp = FIRST_SPARE + (byte <= 0x20 ? byte : byte <= 0xa0 ? byte - 0x7fu + 33 : 67);
    return pxi_utf8_put(out, cp);
}

int pxi_byte_unspell(uint32_t cp)
{
    if (cp < FIRST_SPARE)
        return is_itself(cp) ? (int)cp : -1;
    cp -= FIRST_SPARE;
    if (cp > 67)
        return -1;
    return cp <= 32 ? (int)cp : cp < 67 ? (int)cp - 33 + 0x7f : 0xad;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int pxi_byte_token(px_view text)
{
    if (text.n != 6 || memcmp(text.p, "<0x", 3) != 0 || text.p[5] != '>')
        return -1;
    int hi = hex(text.p[3]), lo = hex(text.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}
