/* Hand-over of pointers between threads: any number of producers, one consumer,
 * bounded. Whoever takes an item owns it. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>

#include "fusor/status.h"

struct queue;

struct queue *queue_create(size_t capacity, struct fusor_error *err);
/** Items still inside are the caller's to take out first. */
void queue_destroy(struct queue *q);
/** @return 0, or -1 when full or closed (the item stays the caller's) */
int queue_put(struct queue *q, void *item);
/** Wait for an item.
 * @param timeout_ms < 0: for ever; 0: only look
 * @return NULL on timeout, or when closed and empty */
void *queue_take(struct queue *q, int timeout_ms);
/** Wake the consumer; nothing can be put any more. */
void queue_close(struct queue *q);

#endif
