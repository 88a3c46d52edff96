/* The variations that exist. Another one is a file and a line here. */
#include "model/registry.h"

#include <string.h>

extern const struct encoder_kind encoder_mlp, encoder_mmoe, encoder_ple;
extern const struct tower_kind tower_bm25, tower_content, tower_ease,
    tower_ials, tower_knn, tower_lsa; // built, not trained
extern const struct tower_kind tower_cnn, tower_cross, tower_dot, tower_fm,
    tower_gru, tower_linear, tower_lstm, tower_mlp, tower_rnn,
    tower_transformer;
extern const struct tower_kind tower_scores; // read from a file
extern const struct fusion_kind fusion_weighted, fusion_concat,
    fusion_attention;
extern const struct loss_kind loss_bce, loss_bpr, loss_full_softmax, loss_gbce,
    loss_huber, loss_lambdarank, loss_listmle, loss_listnet, loss_mse,
    loss_sampled_softmax;

/* KIND(name, prefix) lines, so that names and pointers cannot differ. */
#define ENCODERS(X) X(mlp) X(mmoe) X(ple)
#define TOWERS(X) \
    X(bm25)       \
    X(cnn)        \
    X(content)    \
    X(cross)      \
    X(dot)        \
    X(ease)       \
    X(fm)         \
    X(gru)        \
    X(ials)       \
    X(knn)        \
    X(linear)     \
    X(lsa)        \
    X(lstm)       \
    X(mlp)        \
    X(rnn)        \
    X(scores)     \
    X(transformer)
#define FUSIONS(X) X(weighted) X(concat) X(attention)
#define LOSSES(X)   \
    X(bce)          \
    X(bpr)          \
    X(full_softmax) \
    X(gbce)         \
    X(huber)        \
    X(lambdarank)   \
    X(listmle)      \
    X(listnet)      \
    X(mse)          \
    X(sampled_softmax)

#define NAME(word) #word,
#define ENCODER(word) &encoder_##word,
#define TOWER(word) &tower_##word,
#define FUSION(word) &fusion_##word,
#define LOSS(word) &loss_##word,

static const char *const encoder_names[] = {ENCODERS(NAME) NULL};
static const char *const tower_names[] = {TOWERS(NAME) NULL};
static const char *const fusion_names[] = {FUSIONS(NAME) NULL};
static const char *const loss_names[] = {LOSSES(NAME) NULL};
static const struct encoder_kind *const encoders[] = {ENCODERS(ENCODER)};
static const struct tower_kind *const towers[] = {TOWERS(TOWER)};
static const struct fusion_kind *const fusions[] = {FUSIONS(FUSION)};
static const struct loss_kind *const losses[] = {LOSSES(LOSS)};

static int find(const char *name, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(name, names[i]))
            return i;
    return -1;
}

const struct encoder_kind *registry_encoder(const char *name)
{
    int i = find(name, encoder_names);

    return i < 0 ? NULL : encoders[i];
}

const struct tower_kind *registry_tower(const char *name)
{
    int i = find(name, tower_names);

    return i < 0 ? NULL : towers[i];
}

const struct fusion_kind *registry_fusion(const char *name)
{
    int i = find(name, fusion_names);

    return i < 0 ? NULL : fusions[i];
}

const struct loss_kind *registry_loss(const char *name)
{
    int i = find(name, loss_names);

    return i < 0 ? NULL : losses[i];
}

const char *const *registry_encoder_names(void)
{
    return encoder_names;
}

const char *const *registry_tower_names(void)
{
    return tower_names;
}

const char *const *registry_fusion_names(void)
{
    return fusion_names;
}

const char *const *registry_loss_names(void)
{
    return loss_names;
}
