#include "infer/hidden.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "kernel/half.h"

static const char *const names[] = {
    [PXI_STAGE_F32] = "f32", [PXI_STAGE_F16] = "f16", [PXI_STAGE_Q8] = "q8"};

uint8_t pxi_hidden_named(const char *name)
{
    for (uint8_t i = PXI_STAGE_F32; i <= PXI_STAGE_Q8; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

const char *pxi_hidden_name(uint8_t dtype)
{
    return dtype >= PXI_STAGE_F32 && dtype <= PXI_STAGE_Q8 ? names[dtype] : "none";
}

/* Within what is finite; NaN is zero. */
static float tame(float x, float most)
{
    return x > most ? most : x < -most ? -most : x == x ? x : 0;
}

static void store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void store_float(uint8_t *p, float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(u >> (8 * i));
}

static float load_float(const uint8_t *p)
{
    uint32_t u = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static void encode_block(const float *in, uint32_t n, uint8_t *scale, uint8_t *out)
{
    float most = 0;
    for (uint32_t i = 0; i < n; i++) {
        float a = fabsf(tame(in[i], FLT_MAX / 2));
        most = a > most ? a : most;
    }
    float s = most / 127 >= FLT_MIN ? most / 127 : 0;
    store_float(scale, s);
    for (uint32_t i = 0; i < n; i++) {
        float q = s > 0 ? tame(in[i], FLT_MAX / 2) / s : 0;
        q = tame(q, 127);
        out[i] = (uint8_t)(int8_t)(q + (q < 0 ? -0.5f : 0.5f));
    }
}

static uint32_t blocks(uint32_t n)
{
    return (n + PXI_HIDDEN_BLOCK - 1) / PXI_HIDDEN_BLOCK;
}

void pxi_hidden_encode(uint8_t dtype, const float *in, uint32_t n, uint8_t *out)
{
    if (dtype == PXI_STAGE_F32)
        memcpy(out, in, n * sizeof *in);
    for (uint32_t i = 0; dtype == PXI_STAGE_F16 && i < n; i++)
        store16(out + 2 * (size_t)i, pxi_f16_of_f32(tame(in[i], 65504)));
    for (uint32_t b = 0; dtype == PXI_STAGE_Q8 && b < blocks(n); b++) {
        uint32_t at = b * PXI_HIDDEN_BLOCK;
        encode_block(in + at, (uint32_t)pxi_min(n - at, PXI_HIDDEN_BLOCK), out + 4 * (size_t)b,
                     out + 4 * (size_t)blocks(n) + at);
    }
}

static bool decode_f16(const uint8_t *in, uint32_t n, float *out)
{
    bool fine = true;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t h = (uint16_t)(in[2 * (size_t)i] | in[2 * (size_t)i + 1] << 8);
        fine = fine && (h & 0x7c00) != 0x7c00;
        out[i] = pxi_f16_to_f32(h);
    }
    return fine;
}

static bool decode_q8(const uint8_t *in, uint32_t n, float *out)
{
    const uint8_t *codes = in + 4 * (size_t)blocks(n);
    bool fine = true;
    for (uint32_t i = 0; i < n; i++) {
        float s = load_float(in + 4 * (size_t)(i / PXI_HIDDEN_BLOCK));
        fine = fine && s >= 0 && s <= FLT_MAX / 128;
        out[i] = s * (float)(int8_t)codes[i];
    }
    return fine;
}

bool pxi_hidden_decode(uint8_t dtype, const uint8_t *in, uint32_t n, float *out)
{
    if (dtype == PXI_STAGE_F16)
        return decode_f16(in, n, out);
    if (dtype == PXI_STAGE_Q8)
        return decode_q8(in, n, out);
    memcpy(out, in, n * sizeof *out);
    return true;
}

void pxi_hidden_measure(struct pxi_hidden_loss *l, uint8_t dtype, const float *in, uint32_t n,
                        const uint8_t *coded)
{
    float most = 0, worst = 0, back[PXI_HIDDEN_BLOCK];
    for (uint32_t at = 0; at < n; at += PXI_HIDDEN_BLOCK) {
        uint32_t k = (uint32_t)pxi_min(n - at, PXI_HIDDEN_BLOCK);
        if (dtype == PXI_STAGE_Q8) {
            float s = load_float(coded + 4 * (size_t)(at / PXI_HIDDEN_BLOCK));
            for (uint32_t i = 0; i < k; i++)
                back[i] = s * (float)(int8_t)coded[4 * (size_t)blocks(n) + at + i];
        } else {
            (void)pxi_hidden_decode(dtype, coded + at * pxi_stage_row_bytes(dtype, 1), k, back);
        }
        for (uint32_t i = 0; i < k; i++) {
            float e = fabsf(in[at + i] - back[i]), a = fabsf(in[at + i]);
            l->error2 += (double)e * e;
            l->value2 += (double)a * a;
            most = a > most ? a : most;
            worst = e > worst ? e : worst;
        }
    }
    l->rows++;
    if (most > 0 && worst / most > l->worst)
        l->worst = worst / most;
}

float pxi_hidden_expected(uint8_t dtype)
{
    return dtype == PXI_STAGE_F16 ? 0.00021f : dtype == PXI_STAGE_Q8 ? 0.0060f : 0;
}

float pxi_hidden_rms(const struct pxi_hidden_loss *l)
{
    return l->value2 > 0 ? (float)sqrt(l->error2 / l->value2) : 0;
}
