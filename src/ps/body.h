/* What a message lies in, kept beyond the next receive: by references to the
 * buffer or the pieces it came in, or in a copy where that would not do.
 *
 * Owner and threads: one at a time. */
#ifndef PS_BODY_H
#define PS_BODY_H

#include "transport/messenger.h"

struct body {
    struct payload_view view;
    struct payload_buffer **buffers; // [cap] the first n hold references
    uint32_t n;
    size_t cap; // the array outlives what it holds
};

enum body_use {
    BODY_BORROW, // it is read until the next receive
    BODY_READ,   // it is read
    BODY_WRITE   // it is written to: it is not what others see
};

/** Keep the payload of a message.
 * @return FUSOR_ENOMEM */
enum fusor_status body_keep(struct body *b, struct messenger *m,
                            const struct message *msg, enum body_use use,
                            struct fusor_error *err);
/** The same with a buffer, whose reference is taken over, also on failure. */
enum fusor_status body_put(struct body *b, struct payload_buffer *in,
                           struct fusor_error *err);
/** Let the payload go; the array is kept. A body of zeros is fine. */
void body_drop(struct body *b);
/** The array too. */
void body_clear(struct body *b);

#endif
