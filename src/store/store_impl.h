/* What the files of the store share. */
#ifndef PXI_STORE_STORE_IMPL_H
#define PXI_STORE_STORE_IMPL_H

#include "store/store.h"

enum { PXI_STORE_PATH = 320 };

/* "folder/CID" and a suffix; returns out. */
char *pxi_store_path(char out[PXI_STORE_PATH], const char *folder, const uint8_t hash[PXI_DIGEST],
                     const char *suffix);
/* Enter a blob in the index, or take it out. */
px_err pxi_store_index(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t bytes);
/* Bytes of a blob and of its tree, as the quota counts them. */
uint64_t pxi_store_cost(uint64_t bytes);
/* Levels above the hashes of the groups in a tree file; root: the hash of the whole. For one group
 * the file is not touched. */
px_err pxi_store_tree(struct pxi_files *f, struct pxi_file *tree, uint64_t groups,
                      uint8_t root[PXI_DIGEST]);
/* Bring a file and its tree to the disk and give them their names. */
px_err pxi_store_publish(struct pxi_files *f, struct pxi_file *file, struct pxi_file *tree,
                         uint64_t groups, const char *from, const char *from_tree,
                         const uint8_t hash[PXI_DIGEST]);

#endif
