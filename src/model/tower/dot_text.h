/* Texts and sequences that a side of tower `dot` reads through a network: each
 * becomes one vector by an encoder of tower/sequence.h, and that vector is a
 * part of the side's sum like a row of a table.
 *
 *   item: {text: [title, body], pool: cnn, table: token, max: 64, filters: 100}
 *
 * Each field has an encoder of its own, whose blocks are called after it; rows
 * of the table may be shared with whatever reads it. Settings are the
 * encoder's. Unless a step trains, every text is encoded by itself, so that a
 * document has the same vector whatever it is ranked with.
 *
 * Owner: the tower and its runs, one thread each. Private to src/model. */
#ifndef MODEL_TOWER_DOT_TEXT_H
#define MODEL_TOWER_DOT_TEXT_H

#include "model/tower/dot_loops.h"
#include "model/tower/sequence.h"

struct dot_texts {
    struct sequence *items[DOT_PARTS_MAX];
    uint32_t n;
};

struct dot_text_state;

/** Is this input one of them: a map whose pool names an encoder? */
int dot_text_is(struct yaml_node *at);
/** Append the fields of such a map.
 * @param table the tower's, or NULL
 * @param other the other side's, which may not read the same fields
 * @return EUSAGE with the place in the job */
enum fusor_status dot_texts_parse(struct model *m, struct yaml_node *at,
                                  const char *table, struct dot_texts *out,
                                  const struct dot_texts *other,
                                  struct fusor_error *err);
void dot_texts_clear(struct dot_texts *texts);
/** @param most texts of a step @return [texts->n] */
struct dot_text_state *dot_texts_take(const struct dot_texts *texts,
                                      struct model_run *r, uint32_t most);

/** Make the vectors of all texts of the step's batch. */
void dot_texts_encode(const struct dot_texts *texts, struct dot_text_state *st,
                      const struct model *m, const struct model_step *s,
                      int train);
/** The vectors of text k as rows of a table, one a row of the field, and their
 * gradients. */
struct embedding_view dot_texts_view(const struct dot_texts *texts,
                                     const struct dot_text_state *st,
                                     uint32_t k);
/** Set the gradients of all vectors to 0. Follows dot_texts_encode(). */
void dot_texts_begin(const struct dot_texts *texts, struct dot_text_state *st,
                     const struct model *m, const struct model_step *s);
/** From the vectors' gradients write the encoders' and add to the rows'.
 * @param l2 of each use of a row */
void dot_texts_backward(const struct dot_texts *texts,
                        struct dot_text_state *st, const struct model *m,
                        const struct model_step *s, float l2);

/** x [n, dim] += the vectors of each sample's texts. */
void dot_texts_add(const struct dot_texts *texts,
                   const struct dot_text_state *st, const struct model *m,
                   const struct model_step *s, float *x);
/** The vectors' gradients += dx [n, dim] of the samples. */
void dot_texts_add_grad(const struct dot_texts *texts,
                        struct dot_text_state *st, const struct model *m,
                        const struct model_step *s, const float *dx);

/** The sides of the fields, as inputs_sides() tells them. */
unsigned dot_texts_sides(const struct dot_texts *texts, const struct model *m);
void dot_texts_describe(const struct dot_texts *texts, const struct model *m,
                        int first, struct strbuf *out);

#endif
