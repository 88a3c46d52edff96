/* Jobs as text in a test of what is read from them. */
#ifndef TESTS_TRAIN_OPTIONS_TEXT_H
#define TESTS_TRAIN_OPTIONS_TEXT_H

#include <string.h>

#include "data/prepared.h"
#include "train/options.h"

#include "harness.h"

/* A job on one line, and a word of the error it gives. */
struct wrong_options {
    const char *text, *word;
};

static inline enum fusor_status options_text(const char *text, struct yaml **y,
                                             struct train_options *out,
                                             struct fusor_error *err)
{
    *y = prepared_yaml(text);
    return train_options_read(yaml_root(*y), out, err);
}

/* Each is refused with its place and its word. */
static inline void options_refused(const struct wrong_options *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct train_options o;
        struct fusor_error err = {0};
        struct yaml *y;

        CHECK(options_text(wrong[i].text, &y, &o, &err) == FUSOR_EUSAGE);
        CHECK(strncmp(err.text, "job.yaml:1:", 11) == 0);
        if (!strstr(err.text, wrong[i].word))
            fprintf(stderr, "%s -> %s\n", wrong[i].text, err.text);
        CHECK(strstr(err.text, wrong[i].word) != NULL);
        yaml_destroy(y);
    }
}

#endif
