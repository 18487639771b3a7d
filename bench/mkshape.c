/* mkshape SHAPE TYPE PATH: write a model of shape.h to a file. */
#include <stdio.h>

#include "shape.h"

int main(int argc, char **argv)
{
    char why[256];
    if (argc != 4) {
        fprintf(stderr, "usage: mkshape SHAPE TYPE PATH\nshapes:");
        for (unsigned i = 0; px_shape_name(i); i++)
            fprintf(stderr, " %s", px_shape_name(i));
        fprintf(stderr, "\ntypes: f32 f16 q8_0 q4_0 q4_k_m\n");
        return 2;
    }
    if (px_shape_write(argv[1], argv[2], argv[3], 0, why, sizeof why) != 0) {
        fprintf(stderr, "mkshape: %s\n", why);
        return 1;
    }
    return 0;
}
