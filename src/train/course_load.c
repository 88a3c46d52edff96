/* What a course makes of the load that its servers tell at a cut, and what it
 * says at its end. */
#include "train/course_private.h"

enum fusor_status course_keep_load(struct course *c, struct fusor_error *err)
{
    if (!c->has_cut)
        return FUSOR_OK;
    c->imbalance = load_imbalance(c->load_costs, c->config.n_shards);
    return load_write(c->config.run_dir, c->load, c->imbalance, err);
}

void course_say_load(struct course *c)
{
    const struct load *l = c->load;
    char bytes[16];

    if (!c->has_cut)
        return;
    progress_say(&c->progress,
                 "servers: the shard with most to do had %.2f times the mean",
                 c->imbalance);
    if (l->rows_held)
        progress_say(&c->progress,
                     "kept rows served %.1f %% of those asked for: %s were not "
                     "sent",
                     100.0 * (double)l->rows_held / (double)l->rows_asked,
                     str_bytes((double)l->bytes_held, bytes));
}

void course_say_privacy(struct course *c)
{
    const struct guarantee *p = &c->workload->options.privacy;
    struct guarantee_spent spent;

    if (p->clip == 0)
        return;
    spent = guarantee_spent(c->workload, c->position.samples_done);
    progress_say(&c->progress,
                 "privacy: epsilon %.3f at delta %g with rows drawn at random; "
                 "%.3f with each row once an epoch",
                 spent.epsilon, p->delta, spent.epsilon_shuffled);
}
