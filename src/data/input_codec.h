/* What input.c and the unpackers share; private to them. An unpacker reads
 * packed bytes from a source and keeps a state of its own. */
#ifndef DATA_INPUT_CODEC_H
#define DATA_INPUT_CODEC_H

#include <stddef.h>

#include "fusor/status.h"

#define SOURCE_BYTES 65536u

/* The bytes of the file as they are. */
struct input_source {
    int fd;
    const char *name;
    int at_end;
    size_t at, n; // unread bytes: bytes[at..n)
    unsigned char bytes[SOURCE_BYTES];
};

/** Have at least one unread byte unless at_end. */
enum fusor_status input_source_fill(struct input_source *s,
                                    struct fusor_error *err);

struct input_codec {
    const char *name;
    size_t n_magic;
    unsigned char magic[4];
    /** NULL: this build has no such library. */
    enum fusor_status (*open)(void **state, const char *name,
                              struct fusor_error *err);
    enum fusor_status (*read)(void *state, struct input_source *s, void *to,
                              size_t n, size_t *got, struct fusor_error *err);
    void (*close)(void *state);
};

extern const struct input_codec input_codec_gzip;
extern const struct input_codec input_codec_zstd;

#endif
