/* The inside of a model: what the towers, fusions, losses and layers of this
 * folder share, and the functions with which they declare what they need while
 * a model is built. Private to src/model.
 *
 * Order of a build: outputs and loss, tables, towers (each declares its
 * look-ups, columns and blocks), fusion; then widths and offsets are final.
 * A struct model is read-only afterwards, but for model_set_trained(). */
#ifndef MODEL_BUILD_H
#define MODEL_BUILD_H

#include "model/model.h"

#define OWNER_FUSION (-1)
#define MAX_TOWERS 48
#define MAX_ENCODERS 15
#define OWNER_ENCODER MAX_TOWERS /* the first one's number as an owner */

struct tower_kind;
struct fusion_kind;
struct loss_kind;
struct model_run;
struct encoder;
struct matrix;

/* A table as the job declares it, beside its struct table_spec. Its rows hold
 * n_columns single floats (biases, linear weights), then dim floats. */
struct table_def {
    struct yaml_node *node; // as the job wrote it; NULL: made for a tower
    uint32_t dim;
    uint32_t n_columns;
    int by_field;    // 1 rows of fields told apart, 0 not, -1 unsaid
    uint32_t reader; // number of a field that reads it, when n_readers
    uint32_t n_readers;
};

enum { USE_BATCH = 1, USE_INDEX = 2 }; // what a field is needed for

enum output_kind { OUTPUT_IDENTITY, OUTPUT_SIGMOID, OUTPUT_RANGE };

struct output {
    enum output_kind kind;
    float low, high; // range
};

/* A tower's own loss beside the fusion's (head.h). */
struct aux_loss {
    const struct loss_kind *loss; // NULL: none
    float loss_param;
    float weight;
    uint32_t head; // whose label and output function
};

struct tower {
    char name[PARAM_NAME_MAX];
    const struct tower_kind *kind;
    int index;
    int as_vector;  // the fusion wants a vector: width floats a sample
    uint32_t width; // floats a sample; 1: its score
    int trained;
    int may_be_silent; // a score of NaN: it says nothing about this sample
    float l2, l2_bias; // of the rows it looks up, by use
    struct aux_loss aux;
    void *self; // the kind's
};

enum fusion_over { OVER_LOGITS, OVER_SCORES, OVER_VECTORS };
enum fusion_missing { MISSING_DROP_TOWER, MISSING_ZERO, MISSING_ERROR };

struct fusion {
    const struct fusion_kind *kind;
    struct yaml_node *node; // as the job wrote it, or NULL
    uint32_t head;          // number of its head
    uint32_t n_towers;
    uint32_t towers[MAX_TOWERS]; // [n_towers] numbers, ascending
    enum fusion_over over;
    enum fusion_missing missing;
    int by_query; // scores are normalised by others of their query
    float drop;
    int trained;
    void *self;
};

/* What predicts one label (head.h). */
struct label_head {
    char name[PARAM_NAME_MAX]; // the label's; "": the only one
    char part[PARAM_NAME_MAX]; // names the fusion's blocks
    const struct loss_kind *loss;
    float loss_param; // huber: delta
    struct loss_setting setting;
    float weight;
    struct output output;
    struct fusion fusion;
};

struct model {
    const struct field_spec *fields;
    uint32_t n_fields;
    uint64_t seed;

    struct param_spec params;
    struct table_spec *table_specs;
    struct table_def *tables;
    size_t tables_cap, defs_cap;
    struct block_spec *blocks;
    int *block_owner; // part_bit() says which parts there are
    size_t blocks_cap, owners_cap;
    struct model_lookup *lookups;
    uint64_t *lookup_users; // bit of each part
    uint32_t n_lookups;
    size_t lookups_cap, users_cap;

    struct matrix *matrices;
    uint32_t n_matrices;
    size_t matrices_cap;
    struct encoder *encoders;
    uint32_t n_encoders;
    struct tower *towers;
    uint32_t n_towers;
    struct label_head heads[BATCH_MAX_LABELS];
    uint32_t n_heads;
    uint32_t head; // whose fusion is being declared
    int labelled;  // the job has `labels`: rows may lack some
    int apart;     // towers in training are the model: model_set_apart()
    struct yaml_node *loss_node; // the job's
    uint32_t most_candidates;    // 0: no loss over candidates
    int every;                   // runs hold vectors of all positions
    uint32_t n_dropouts;
    int owner;                // of what is being declared
    const char *of_owner;     // which part of it names its blocks, or NULL
    unsigned char *field_use; // [n_fields] USE_..
};

/** The bit of a tower (its number), an encoder (OWNER_ENCODER + its number) or
 * the fusion in a set of parts. */
static inline uint64_t part_bit(int owner)
{
    return 1ull << (owner == OWNER_FUSION ? 63 : owner);
}

/* ---- reading the job ---- */

/** Fail on a key of map that is not in allowed (NULL-terminated).
 * @param what names the map in the message: "tower mf" */
enum fusor_status build_keys(const struct yaml_node *map, const char *what,
                             const char *const *allowed,
                             struct fusor_error *err);
/** The same for a tower that is trained: what every one takes may be there
 * too. */
enum fusor_status build_tower_keys(const struct yaml_node *map,
                                   const char *what, const char *const *allowed,
                                   struct fusor_error *err);
/** Fail for an unknown name, with the nearest of names. */
enum fusor_status build_unknown(const struct yaml_node *at, const char *what,
                                const char *word, const char *const *names,
                                struct fusor_error *err);
/** The number under key, or *out unchanged when absent; low <= value <= high */
enum fusor_status build_float(struct yaml_node *map, const char *key,
                              double low, double high, float *out,
                              struct fusor_error *err);
/** The whole number under key, low..high, or *out unchanged when absent. */
enum fusor_status build_count(struct yaml_node *map, const char *key,
                              uint32_t low, uint32_t high, uint32_t *out,
                              struct fusor_error *err);
enum fusor_status build_bool(struct yaml_node *map, const char *key, int *out,
                             struct fusor_error *err);
/** Which of names (NULL-terminated) stands under key; *out unchanged when
 * absent. */
enum fusor_status build_choice(struct yaml_node *map, const char *key,
                               const char *const *names, int *out,
                               struct fusor_error *err);

/* ---- declaring ---- */

/** A table of its own for a tower. @param t set to its number */
enum fusor_status build_own_table(struct model *m, const char *name,
                                  uint32_t dim, uint32_t *t,
                                  struct fusor_error *err);
/** Read the job's `tables`. */
enum fusor_status build_tables(struct model *m, struct yaml_node *tables,
                               struct fusor_error *err);
/** Number of the table of this name, or -1. */
int build_table_find(const struct model *m, const char *name);
/** The table a field is read from: the one named in `named` (may be NULL), else
 * the one whose `fields` lists it, else the one of the field's name. */
enum fusor_status build_table_of(const struct model *m, uint32_t field,
                                 const char *named, const struct yaml_node *at,
                                 uint32_t *t, struct fusor_error *err);
/** Do the table's `fields` list this field? */
int build_table_lists(const struct model *m, uint32_t t, uint32_t field);
/** Declare that field reads table; equal pairs share one look-up. */
enum fusor_status build_lookup(struct model *m, uint32_t table, uint32_t field,
                               const struct yaml_node *at, uint32_t *lookup,
                               struct fusor_error *err);
/** Say that batches must have the values of a field. Look-ups and inputs do. */
void build_reads(struct model *m, uint32_t field);
/** Say that what is built from a field is all a tower needs of it. */
void build_indexes(struct model *m, uint32_t field);
/** Claim a single float in each row of the table. @return its place */
uint32_t build_column(struct model *m, uint32_t table);
/** Declare size floats named "<owner>.<name>". @param block set to its number;
 * its offset is final at once */
enum fusor_status build_block(struct model *m, const char *name, uint64_t size,
                              enum param_init init, float scale, int is_bias,
                              uint32_t *block, struct fusor_error *err);
/** A dropout's number, which names its random stream. */
uint32_t build_dropout(struct model *m);

/** Read a loss: h->loss, its number and setting. */
enum fusor_status loss_parse(struct label_head *h, struct yaml_node *at,
                             struct fusor_error *err);

/* ---- the output function ---- */

enum fusor_status output_parse(struct yaml_node *at, struct output *out,
                               struct fusor_error *err);
/** out [n]; may be scores. */
void output_apply(const struct output *o, const float *scores, float *out,
                  size_t n);
/** grad *= d out / d score; range: 1 inside, 0 outside. */
void output_backward(const struct output *o, const float *scores,
                     const float *out, float *grad, size_t n);
void output_describe(const struct output *o, struct strbuf *out);

#endif
