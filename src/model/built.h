/* Towers that are built, not trained: a stage `build` of the training computes
 * the rows of their tables from the train rows, the store keeps them like any
 * others (they shard, are saved and served), and the tower only reads them.
 * This is what such a tower wants computed.
 *
 * Three layouts of a row:
 *   by item, dense    table 0, key an item: [n_items] the weight of each item
 *                     of the history
 *   by item, lists    the same as [2 most]: ids (0: none) as floats, weights
 *   by query          table 0, key a query: [n_items] its scores (or what it
 *                     is expected to rate them)
 *   factors           table 0 by query, table 1 by item: [dim] each
 *   texts, lists      table 0 by document: [2 most] terms (0: none) as floats,
 *                     then what each puts into the score; table 1 by term of
 *                     the query: [1] the most it can
 *   texts, factors    table 0 by term of the query, table 1 by document: [dim]
 *
 * Constant after the model was made. */
#ifndef MODEL_BUILT_H
#define MODEL_BUILT_H

#include <stdint.h>

#define BUILT_MAX_FIELDS 16
#define BUILT_MAX_ID (1u << 24) /* ids up to here are exact as floats */

enum built_method {
    BUILT_EASE,
    BUILT_KNN,
    BUILT_IALS,
    BUILT_CONTENT,
    BUILT_BM25,
    BUILT_LSA
};

/* What ratings are measured from: not at all (neighbours tell what was had), or
 * the mean of the query's (item's), or what the query and the item add to the
 * mean of all. */
enum built_centre { CENTRE_NONE, CENTRE_MEAN, CENTRE_BASELINE };

/* How rows of ials are found: exactly, or nearly, from where they were. */
enum built_solver { SOLVER_CHOLESKY, SOLVER_CG };

struct built {
    enum built_method method;
    uint32_t n_items, n_queries; // ids are below; queries 0: not asked
    uint32_t n_tables;
    uint32_t tables[2];
    uint32_t rows[2];     // keys 0 .. rows - 1
    uint32_t width[2];    // floats in a row
    uint32_t most;        // neighbours in a list; 0: rows are dense
    int by_query;         // knn: queries are neighbours, not items
    int similarity;       // knn, content: enum similar_kind of the index layer
    float shrink;         // knn, content
    int centre;           // knn: enum built_centre
    uint32_t overlap;     // knn: what neighbours must share
    const char *edges;    // knn: file of weights between queries, or NULL
    float lambda;         // ease, ials
    float alpha;          // ials: weight of what nobody saw
    float exponent;       // ials: of the number of events in the regularisation
    uint32_t dim, sweeps; // ials, lsa
    int solver;           // ials: enum built_solver
    uint32_t steps;       // of conjugate gradients
    int idf;              // content
    uint32_t fields[BUILT_MAX_FIELDS]; // content, bm25: of the item
    uint32_t n_fields;
    uint32_t text;                   // of the query: field
    uint32_t n_terms;                // of texts: ids are below
    float weights[BUILT_MAX_FIELDS]; // bm25: of the fields
    float k1, b;                     // bm25
    int form;                        // bm25: enum bm25_form
};

struct model;

/** What tower number `tower` wants built; NULL: it is trained. */
const struct built *model_built(const struct model *m, uint32_t tower);

#endif
