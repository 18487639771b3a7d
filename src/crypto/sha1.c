#include "crypto/sha1.h"

#include <openssl/evp.h>

int pxi_sha1(px_view in, uint8_t out[PXI_SHA1])
{
    return EVP_Digest(in.p, in.n, out, NULL, EVP_sha1(), NULL);
}
