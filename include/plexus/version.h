/* Version of the library, and the two macros every public header needs. */
#ifndef PLEXUS_VERSION_H
#define PLEXUS_VERSION_H

#define PX_VERSION "0.1.0"

#if defined(__GNUC__)
#define PX_API       __attribute__((visibility("default")))
#define PX_NODISCARD __attribute__((warn_unused_result))
#else
#define PX_API
#define PX_NODISCARD
#endif

#ifdef __cplusplus
#define PX_BEGIN_DECLS extern "C" {
#define PX_END_DECLS   }
#else
#define PX_BEGIN_DECLS
#define PX_END_DECLS
#endif

PX_BEGIN_DECLS

/* Version string of the library that is running, e.g. "0.1.0". Static storage. */
PX_API const char *px_version(void);

/* Commit the library was built from, or "unknown". Static storage. */
PX_API const char *px_version_commit(void);

PX_END_DECLS

#endif
