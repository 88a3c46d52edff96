/* Sending a logical message through any transport: lent whole to who can read
 * it where it is, else its chunks, one after the other. */
#ifndef TRANSPORT_MESSAGE_H
#define TRANSPORT_MESSAGE_H

#include "transport/transport.h"
#include "wire/chunk.h"

/** Would it be lent now? Then it leaves when it is whole. */
int transport_lends_message(struct transport *t, struct peer to,
                            const struct chunk_source *source);
/** Send it, or the chunks from source->next on.
 * @return FUSOR_OK: all are out; FUSOR_EAGAIN: the pipe is full, call again
 * with the same source; FUSOR_ECLOSED */
enum fusor_status transport_send_message(struct transport *t, struct peer to,
                                         struct chunk_source *source,
                                         struct fusor_error *err);
/** The same for the chunks before chunk number `end`: the rest of the body is
 * still being written. */
enum fusor_status transport_send_chunks(struct transport *t, struct peer to,
                                        struct chunk_source *source,
                                        uint32_t end, struct fusor_error *err);

#endif
