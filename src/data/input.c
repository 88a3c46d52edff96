/* Bytes and lines of an input. The unpackers are in input_gzip.c and
 * input_zstd.c. */
#include "data/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/input_codec.h"

#define WINDOW_BYTES (INPUT_LINE_MAX + 4 * SOURCE_BYTES)

static const struct input_codec *const codecs[] = {&input_codec_gzip,
                                                   &input_codec_zstd};

struct input {
    struct input_source source;
    char *name;
    const struct input_codec *codec; // NULL: plain
    void *state;
    char *window; // [WINDOW_BYTES + 1] for lines
    size_t at, n; // unread: window[at..n)
    int window_end;
    uint64_t n_lines;
};

enum fusor_status input_source_fill(struct input_source *s,
                                    struct fusor_error *err)
{
    ssize_t r;

    if (s->at < s->n || s->at_end)
        return FUSOR_OK;
    do
        r = read(s->fd, s->bytes, sizeof(s->bytes));
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot read %s: %s", s->name,
                          strerror(errno));
    s->at = 0;
    s->n = (size_t)r;
    s->at_end = r == 0;
    return FUSOR_OK;
}

static enum fusor_status recognise(struct input *in, struct fusor_error *err)
{
    struct input_source *s = &in->source;

    FUSOR_TRY(input_source_fill(s, err));
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        const struct input_codec *c = codecs[i];

        if (s->n < c->n_magic || memcmp(s->bytes, c->magic, c->n_magic))
            continue;
        if (!c->open)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: packed with %s, which this build cannot "
                              "read: unpack it first",
                              in->name, c->name);
        FUSOR_TRY(c->open(&in->state, in->name, err));
        in->codec = c;
    }
    return FUSOR_OK;
}

static enum fusor_status open_source(struct input *in, const char *path,
                                     struct fusor_error *err)
{
    int is_stdin = strcmp(path, "-") == 0;

    in->name = mem_strdup(is_stdin ? "standard input" : path);
    if (!in->name)
        return mem_fail(err, path, strlen(path));
    in->source.name = in->name;
    in->source.fd = is_stdin ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    if (in->source.fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot open %s: %s", in->name,
                          strerror(errno));
    if (!is_stdin && fs_is_dir(path))
        return fusor_fail(err, FUSOR_EIO, "%s is a folder, not a file", path);
    return recognise(in, err);
}

enum fusor_status input_open(const char *path, struct input **out,
                             struct fusor_error *err)
{
    struct input *in = mem_alloc(1, sizeof(*in));
    enum fusor_status rc;

    if (!in)
        return mem_fail(err, path, sizeof(*in));
    in->source.fd = -1;
    rc = open_source(in, path, err);
    if (rc == FUSOR_OK)
        *out = in;
    else
        input_close(in);
    return rc;
}

const char *input_name(const struct input *in)
{
    return in->name;
}

/* Without the way over the source's buffer, which is empty. */
static enum fusor_status read_direct(struct input_source *s, void *to, size_t n,
                                     size_t *got, struct fusor_error *err)
{
    ssize_t r = 0;

    while (!s->at_end && (r = read(s->fd, to, n)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot read %s: %s", s->name,
                          strerror(errno));
    s->at_end |= r == 0;
    *got = (size_t)r;
    return FUSOR_OK;
}

enum fusor_status input_read(struct input *in, void *to, size_t n, size_t *got,
                             struct fusor_error *err)
{
    struct input_source *s = &in->source;
    size_t take;

    if (in->codec)
        return in->codec->read(in->state, s, to, n, got, err);
    if (s->at == s->n && n >= sizeof(s->bytes))
        return read_direct(s, to, n, got, err);
    FUSOR_TRY(input_source_fill(s, err));
    take = s->n - s->at < n ? s->n - s->at : n;
    memcpy(to, s->bytes + s->at, take);
    s->at += take;
    *got = take;
    return FUSOR_OK;
}

/* Move what is unread to the front and read on behind it. */
static enum fusor_status refill(struct input *in, struct fusor_error *err)
{
    size_t got = 0;

    memmove(in->window, in->window + in->at, in->n - in->at);
    in->n -= in->at;
    in->at = 0;
    while (in->n < WINDOW_BYTES && !in->window_end) {
        FUSOR_TRY(input_read(in, in->window + in->n, WINDOW_BYTES - in->n, &got,
                             err));
        in->n += got;
        in->window_end = got == 0;
    }
    return FUSOR_OK;
}

static enum fusor_status first_refill(struct input *in, struct fusor_error *err)
{
    in->window = mem_alloc_raw(WINDOW_BYTES + 1, 1);
    if (!in->window)
        return mem_fail(err, in->name, WINDOW_BYTES + 1);
    FUSOR_TRY(refill(in, err));
    if (in->n >= 3 && !memcmp(in->window, "\xef\xbb\xbf", 3))
        in->at = 3;
    return FUSOR_OK;
}

enum fusor_status input_next_line(struct input *in, struct input_line *line,
                                  int *end, struct fusor_error *err)
{
    char *stop = NULL;

    if (!in->window)
        FUSOR_TRY(first_refill(in, err));
    if (in->n > in->at)
        stop = memchr(in->window + in->at, '\n', in->n - in->at);
    if (!stop && !in->window_end) {
        FUSOR_TRY(refill(in, err));
        stop = memchr(in->window, '\n', in->n);
    }
    *end = !stop && in->at == in->n && in->window_end;
    if (*end)
        return FUSOR_OK;
    line->text = in->window + in->at;
    line->n = (stop ? stop : in->window + in->n) - line->text;
    line->number = ++in->n_lines;
    if (line->n > INPUT_LINE_MAX)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s:%llu: line longer than %zu bytes: is this a text "
                          "file?",
                          in->name, (unsigned long long)line->number,
                          INPUT_LINE_MAX);
    in->at += line->n + (stop != NULL);
    if (line->n && line->text[line->n - 1] == '\r')
        line->n--;
    line->text[line->n] = '\0';
    return FUSOR_OK;
}

/* @return bytes of text up to its last newline, that included; 0: none */
static size_t whole_lines(const char *text, size_t n)
{
    while (n > 0 && text[n - 1] != '\n')
        n--;
    return n;
}

/* Read on behind n bytes at to until there are `most`, or the input ends. */
static enum fusor_status read_on(struct input *in, char *to, size_t most,
                                 size_t *n, struct fusor_error *err)
{
    size_t got;

    while (*n < most && !in->window_end) {
        FUSOR_TRY(input_read(in, to + *n, most - *n, &got, err));
        *n += got;
        in->window_end = got == 0;
    }
    return FUSOR_OK;
}

/* What the window does not end a line of goes on in the file. */
static enum fusor_status read_lines(struct input *in, char *to, size_t *got,
                                    struct fusor_error *err)
{
    size_t n = in->n - in->at, whole;

    memcpy(to, in->window + in->at, n);
    in->at = in->n = 0;
    FUSOR_TRY(read_on(in, to, INPUT_LINES_BYTES, &n, err));
    whole = whole_lines(to, n);
    if (!whole) { // a long line: what is read now is the end of it, or more
        FUSOR_TRY(read_on(in, to, INPUT_LINE_MAX, &n, err));
        whole = whole_lines(to, n);
    }
    if (in->window_end)
        whole = n;
    if (n > INPUT_LINE_MAX && !memchr(to, '\n', INPUT_LINE_MAX + 1))
        whole = 0;
    if (!whole && n)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: line longer than %zu bytes: is this a text "
                          "file?",
                          in->name, INPUT_LINE_MAX);
    memcpy(in->window, to + whole, n - whole);
    in->n = n - whole;
    *got = whole;
    return FUSOR_OK;
}

enum fusor_status input_read_lines(struct input *in, char *to, size_t *got,
                                   struct fusor_error *err)
{
    size_t n;

    if (!in->window)
        FUSOR_TRY(first_refill(in, err));
    n = in->n - in->at;
    if (n > INPUT_LINES_BYTES)
        n = INPUT_LINES_BYTES;
    *got = whole_lines(in->window + in->at, n);
    if (!*got)
        return read_lines(in, to, got, err);
    memcpy(to, in->window + in->at, *got);
    in->at += *got;
    return FUSOR_OK;
}

uint64_t input_lines_given(const struct input *in)
{
    return in->n_lines;
}

void input_close(struct input *in)
{
    if (!in)
        return;
    if (in->codec)
        in->codec->close(in->state);
    if (in->source.fd >= 0)
        close(in->source.fd);
    mem_free(in->window);
    mem_free(in->name);
    mem_free(in);
}
