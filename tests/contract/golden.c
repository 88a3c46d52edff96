/* Reading golden values and comparing a pass with them. */
#include "contract/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#ifndef GOLDEN_DIR
#error "GOLDEN_DIR names tests/golden"
#endif

static void check_values(const char *job, const char *what, const char *text,
                         const float *got, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *end;
        double want = strtod(text, &end);
        int ok = end != text && got &&
                 test_close((double)got[i], want, GOLDEN_TOLERANCE,
                            GOLDEN_TOLERANCE);

        CHECK(ok);
        if (!ok) {
            fprintf(stderr, "%s: %s[%zu] is %.9g, want %.9g\n", job, what, i,
                    got ? (double)got[i] : 0.0, want);
            return;
        }
        text = end;
    }
    CHECK(strspn(text, " \n") == strlen(text));
}

static void check_row(struct fixture *f, const char *job, char *text)
{
    char name[64];
    unsigned long long key;
    int used = 0, t;

    REQUIRE(sscanf(text, "%63s %llu%n", name, &key, &used) == 2);
    t = fixture_table_number(f, name);
    REQUIRE(t >= 0);
    check_values(job, text, text + used, fixture_grad(f, name, key),
                 model_params(f->model)->tables[t].width);
}

/* @return the key word's text when the line begins with it */
static char *word_after(char *line, const char *word)
{
    size_t n = strlen(word);

    return !strncmp(line, word, n) && line[n] == ' ' ? line + n + 1 : NULL;
}

static void check_line(struct fixture *f, const char *job, char *line,
                       double loss)
{
    char *text;

    if ((text = word_after(line, "loss"))) {
        CHECK_CLOSE(loss, strtod(text, NULL), GOLDEN_TOLERANCE);
    } else if ((text = word_after(line, "scores"))) {
        check_values(job, "scores", text, f->scores, f->batch.n);
    } else if ((text = word_after(line, "dense"))) {
        check_values(job, "dense", text, f->dense_grad,
                     model_params(f->model)->n_dense);
    } else if ((text = word_after(line, "table"))) {
        check_row(f, job, text);
    }
}

void golden_check(const struct golden_job *job)
{
    static char line[1 << 16];
    FILE *file = fopen(GOLDEN_DIR "/model.txt", "r");
    struct fixture f;
    int here = 0, lines = 0;
    double loss;

    REQUIRE(file != NULL);
    if (fixture_init(&f, job->text) != FUSOR_OK) {
        fprintf(stderr, "%s: %s\n", job->name, f.err.text);
        REQUIRE(0);
    }
    f.step.training = 1;
    loss = fixture_pass(&f);
    while (fgets(line, sizeof(line), file)) {
        char *name = word_after(line, "job");

        if (name) {
            name[strcspn(name, "\n")] = '\0';
            here = !strcmp(name, job->name);
        }
        if (here) {
            check_line(&f, job->name, line, loss);
            lines++;
        }
    }
    CHECK(lines > 3);
    if (lines <= 3)
        fprintf(stderr, "%s: no golden values\n", job->name);
    fclose(file);
    fixture_clear(&f);
}

double golden_differences(struct fixture *f)
{
    return fixture_gradient_error(f, GOLDEN_STEP);
}

void golden_check_all(const struct golden_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        golden_check(&jobs[i]);
}

int golden_has(const struct golden_job *jobs, size_t n, const char *before,
               const char *name, const char *after)
{
    char text[128];
    int found = 0;

    snprintf(text, sizeof(text), "%s%s%s", before, name, after);
    for (size_t i = 0; i < n; i++)
        found |= strstr(jobs[i].text, text) != NULL;
    return found;
}

void golden_differ(const struct golden_job *job, int training)
{
    struct fixture f;

    REQUIRE(fixture_init(&f, job->text) == FUSOR_OK);
    CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
    f.step.training = training;
    if (training)
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
    fixture_clear(&f);
}
