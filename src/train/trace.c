/* Marks become complete events ("ph":"X") with times in microseconds. */
#include "train/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/phases.h"

#define FOLDER "trace"
#define BEGIN "begin"
#define PART_MAX ((size_t)1 << 32)
#define MARKS_MAX ((size_t)1 << 22) /* of a thread: 64 MiB */

struct begin { // what all parts have to know
    int64_t zero_ns;
    char file[FS_PATH_MAX];
};

/* Writing a part. */

struct drawing { // one thread's marks into events
    struct json *j;
    const struct trace_part *part;
    uint32_t thread;
    struct profile_scale scale;
    int64_t zero_ns;
};

static double time_us(const struct drawing *d, uint64_t at)
{
    double ns = (double)(int64_t)(at - d->scale.base) * d->scale.rate;

    return ((double)(d->scale.base_ns - d->zero_ns) + ns) * 1e-3;
}

static void put_place(struct json *j, const struct trace_part *p, uint32_t i)
{
    json_uint(j, "pid", (uint64_t)p->kind);
    json_uint(j, "tid", p->first + i);
}

static void put_name(struct json *j, const struct trace_part *p, uint32_t i,
                     const char *what, const char *name)
{
    json_begin_object(j, NULL);
    json_string(j, "name", what);
    json_string(j, "ph", "M");
    put_place(j, p, i);
    json_begin_object(j, "args");
    json_string(j, "name", name);
    json_end_object(j);
    json_end_object(j);
}

static void put_span(const struct drawing *d, const char *name,
                     const char *category, uint64_t from, uint64_t to)
{
    double begin = time_us(d, from), end = time_us(d, to);

    json_begin_object(d->j, NULL);
    json_string(d->j, "name", name);
    json_string(d->j, "cat", category);
    json_string(d->j, "ph", "X");
    put_place(d->j, d->part, d->thread);
    json_number(d->j, "ts", begin);
    json_number(d->j, "dur", end > begin ? end - begin : 0);
    json_end_object(d->j);
}

static void draw_phases(const struct drawing *d, const struct profile *p)
{
    const char *towers[PROFILE_TOWERS];
    uint32_t n = phases_towers(d->part->workload, towers);
    const struct profile_mark *open = NULL;
    char name[96];

    for (size_t i = 0; i < p->n_marks; i++) {
        const struct profile_mark *m = &p->marks[i];

        /* A step begins within a phase, unless it is where the trace ends. */
        if ((m->phase == PROFILE_STEP && i + 1 < p->n_marks) ||
            (open && m->phase == open->phase))
            continue;
        if (open)
            put_span(d, profile_slot_name(open->phase, towers, n, name),
                     "phase", open->at, m->at);
        open = m->phase < PROFILE_SLOTS ? m : NULL;
    }
}

static void draw_steps(const struct drawing *d, const struct profile *p)
{
    const struct profile_mark *open = NULL;
    char name[32];

    for (size_t i = 0; i < p->n_marks; i++) {
        const struct profile_mark *m = &p->marks[i];

        if (m->phase != PROFILE_STEP && m->phase != PROFILE_REST)
            continue;
        if (open) {
            snprintf(name, sizeof(name), "step %u", open->step + 1);
            put_span(d, name, "step", open->at, m->at);
        }
        open = m->phase == PROFILE_STEP ? m : NULL;
    }
}

static void thread_name(const struct trace_part *p, uint32_t i, char out[32])
{
    if (p->kind == TRACE_COURSE)
        snprintf(out, 32, "coordinator");
    else
        snprintf(out, 32, "%s %u",
                 p->kind == TRACE_WORKERS ? "worker" : "shard", p->first + i);
}

static void draw(const struct trace_part *p, int64_t zero_ns, struct json *j)
{
    char name[32];

    json_begin_array(j, NULL);
    put_name(j, p, 0, "process_name", p->process);
    for (uint32_t i = 0; i < p->n; i++) {
        struct drawing d = {.j = j,
                            .part = p,
                            .thread = i,
                            .scale = profile_scale(&p->profiles[i]),
                            .zero_ns = zero_ns};

        thread_name(p, i, name);
        put_name(j, p, i, "thread_name", name);
        draw_steps(&d, &p->profiles[i]);
        draw_phases(&d, &p->profiles[i]);
    }
    json_end_array(j);
    strbuf_add(&j->text, "\n");
}

static enum fusor_status read_begin(const char *run_dir, struct begin *out,
                                    struct fusor_error *err)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX], *text, *name;
    size_t n;
    enum fusor_status rc = FUSOR_OK;

    fs_join(path, fs_join(folder, run_dir, FOLDER), BEGIN);
    FUSOR_TRY(fs_read(path, sizeof(*out) + 64, &text, &n, err));
    out->zero_ns = strtoll(text, &name, 10);
    if (*name != '\n' || n < 3 || text[n - 1] != '\n') {
        rc = fusor_fail(err, FUSOR_EDATA, "%s: not what a run writes", path);
    } else {
        text[n - 1] = '\0';
        fs_join(out->file, "", name + 1);
    }
    mem_free(text);
    return rc;
}

static int is_whole(const struct trace_part *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->profiles[i].steps_left || p->profiles[i].steps_kept)
            return 0;
    return 1;
}

enum fusor_status trace_part_write(struct trace_part *p,
                                   struct fusor_error *err)
{
    static const char *const kinds[] = {"", "course", "worker", "shard"};
    char folder[FS_PATH_MAX], path[FS_PATH_MAX], name[48];
    struct json j = {0};
    struct begin begin;
    enum fusor_status rc;

    if (p->n == 0 || p->written)
        return FUSOR_OK;
    FUSOR_TRY(read_begin(p->run_dir, &begin, err));
    draw(p, begin.zero_ns, &j);
    snprintf(name, sizeof(name), "%s-%u.json", kinds[p->kind], p->first);
    fs_join(path, fs_join(folder, p->run_dir, FOLDER), name);
    rc = j.text.failed ? mem_fail(err, "trace", j.text.len)
                       : fs_write_atomic(path, j.text.s, j.text.len, err);
    json_clear(&j);
    p->written = rc == FUSOR_OK && is_whole(p);
    return rc;
}

enum fusor_status trace_part_open(struct trace_part *p, uint64_t steps,
                                  size_t marks_per_step,
                                  struct fusor_error *err)
{
    size_t room = (size_t)steps * marks_per_step + 64;

    if (room > MARKS_MAX)
        room = MARKS_MAX;
    p->marks = mem_alloc_raw(p->n * room, sizeof(*p->marks));
    if (!p->marks)
        return mem_fail(err, "trace", p->n * room * sizeof(*p->marks));
    for (uint32_t i = 0; i < p->n; i++)
        profile_trace(&p->profiles[i], p->marks + i * room, room, steps);
    return FUSOR_OK;
}

void trace_part_close(struct trace_part *p)
{
    mem_free(p->marks);
    p->marks = NULL;
    p->n = 0;
}

/* Joining them. */

/* The events of a part, without the brackets around them. */
static void add_events(const char *text, size_t n, struct strbuf *out)
{
    const char *begin = memchr(text, '[', n);
    const char *end = begin ? strrchr(begin, ']') : NULL;

    if (!end || end == begin + 1)
        return;
    if (out->len)
        strbuf_add(out, ",\n");
    strbuf_add_n(out, begin + 1, (size_t)(end - begin - 1));
}

static int is_part(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static enum fusor_status write_joined(const char *file, struct strbuf *events,
                                      struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc;

    strbuf_add(&text, "[");
    strbuf_add_n(&text, events->s ? events->s : "", events->len);
    strbuf_add(&text, "]\n");
    rc = text.failed || events->failed
             ? mem_fail(err, "trace", events->len)
             : fs_write_atomic(file, text.s, text.len, err);
    strbuf_clear(&text);
    return rc;
}

enum fusor_status trace_join(const char *run_dir, struct fusor_error *err)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX], *text;
    struct strbuf events = {0};
    struct fs_list list;
    struct begin begin;
    enum fusor_status rc = FUSOR_OK;
    size_t n;

    fs_join(folder, run_dir, FOLDER);
    if (!fs_is_dir(folder))
        return FUSOR_OK;
    FUSOR_TRY(read_begin(run_dir, &begin, err));
    FUSOR_TRY(fs_list_dir(folder, &list, err));
    for (size_t i = 0; rc == FUSOR_OK && i < list.n; i++) {
        if (!is_part(list.names[i]))
            continue;
        rc = fs_read(fs_join(path, folder, list.names[i]), PART_MAX, &text, &n,
                     err);
        if (rc != FUSOR_OK)
            break;
        add_events(text, n, &events);
        mem_free(text);
    }
    fs_list_clear(&list);
    if (rc == FUSOR_OK)
        rc = write_joined(begin.file, &events, err);
    strbuf_clear(&events);
    return rc;
}

enum fusor_status trace_begin(const char *run_dir, const char *file,
                              struct fusor_error *err)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX], text[FS_PATH_MAX + 32];
    struct timespec t;
    int n;

    clock_gettime(CLOCK_REALTIME, &t);
    n = snprintf(text, sizeof(text), "%lld\n%s\n",
                 (long long)t.tv_sec * 1000000000 + t.tv_nsec, file);
    if (n < 0 || (size_t)n >= sizeof(text) || strchr(file, '\n'))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train.trace: not a usable path of a file");
    fs_join(folder, run_dir, FOLDER);
    FUSOR_TRY(fs_remove_tree(folder, err));
    FUSOR_TRY(fs_mkdirs(folder, err));
    FUSOR_TRY(
        fs_write_atomic(fs_join(path, folder, BEGIN), text, (size_t)n, err));
    return fs_write_atomic(file, "[]\n", 3, err);
}
