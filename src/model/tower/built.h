/* What the built towers share: their fields, their tables, and scores as sums
 * over a history. Private to src/model. */
#ifndef MODEL_TOWER_BUILT_H
#define MODEL_TOWER_BUILT_H

#include "model/built.h"
#include "model/registry.h"

#define BUILT_NO_FIELD UINT32_MAX

struct built_tower {
    struct built spec;             // first
    uint32_t item, query, history; // fields, or BUILT_NO_FIELD; of texts the
                                   // query's is the history
    int by_query;                  // bm25: as a share of the most there can be
    uint32_t lookups[2];
};

/** Allocate t->self, check the keys of its map, refuse fusions over vectors. */
enum fusor_status built_begin(struct tower *t, struct yaml_node *at,
                              enum built_method method,
                              const char *const *allowed,
                              struct fusor_error *err);
/** The categorical field under key, whose ids must be counted.
 * @param cardinality set */
enum fusor_status built_id_field(struct model *m, struct tower *t,
                                 struct yaml_node *at, const char *key,
                                 uint32_t *field, uint32_t *cardinality,
                                 struct fusor_error *err);
/** The text of the query under `query` (b->history, spec.n_terms) and the texts
 * of the item in the list `fields`, all of one vocabulary. */
enum fusor_status built_texts(struct model *m, struct tower *t,
                              struct yaml_node *at, struct fusor_error *err);
/** The list of items under `history`: a bag, sequence or multi field. */
enum fusor_status built_history(struct model *m, struct tower *t,
                                struct yaml_node *at, struct fusor_error *err);
/** Declare the next table, "<tower>.<name>", read by the ids of field. */
enum fusor_status built_table(struct model *m, struct tower *t,
                              const char *name, uint32_t field, uint32_t rows,
                              uint32_t width, const struct yaml_node *at,
                              struct fusor_error *err);

void built_destroy(struct tower *t);
/** Of towers that sum over a history. */
void *built_run_create(const struct tower *t, struct model_run *r);
/** score = sum over the history's items h, without the candidate itself, of
 * row_item[h]; rows dense or lists. */
void built_forward(const struct tower *t, struct model_run *r,
                   const struct model_step *s, int train);
/** Never called: nothing of a built tower is trained. */
void built_backward(const struct tower *t, struct model_run *r,
                    const struct model_step *s);
const struct built *built_spec(const struct tower *t);
/* What a list field says of a sample, as it stands in the batch. */
struct built_list {
    const uint64_t *ids;
    const float *weights; // or NULL
    uint32_t n;
    uint32_t first; // of ids, in the batch
};

/** The history of sample i. */
struct built_list built_list(const struct built_tower *b, const struct model *m,
                             const struct batch *batch, uint32_t i);
/** Behind the last sample from i on that has the same history. */
uint32_t built_same_until(const struct built_tower *b, const struct model *m,
                          const struct batch *batch, uint32_t i);

/** The row that sample i reads of table number k. */
const float *built_row(const struct built_tower *b, uint32_t k,
                       const struct model *m, const struct model_step *s,
                       uint32_t i);

#endif
