/* Whole texts to stdout, checked to the end. */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum fusor_status output_text(struct strbuf *text, struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_OK;

    if (text->failed)
        rc = mem_fail(err, "output", text->len);
    else if (text->len && (fwrite(text->s, 1, text->len, stdout) != text->len ||
                           fflush(stdout)))
        rc = fusor_fail(err, FUSOR_EIO, "cannot write to stdout: %s",
                        strerror(errno));
    strbuf_clear(text);
    return rc;
}

enum fusor_status output_json(struct json *j, struct fusor_error *err)
{
    enum fusor_status rc;

    if (!j->text.len || j->text.s[j->text.len - 1] != '\n')
        strbuf_add(&j->text, "\n");
    rc = output_text(&j->text, err);
    json_clear(j);
    return rc;
}

enum fusor_status output_table(struct texttab *t, struct fusor_error *err)
{
    struct strbuf text = {0};

    texttab_print(t, &text);
    texttab_destroy(t);
    return output_text(&text, err);
}

void output_say(const char *format, ...)
{
    va_list ap;

    fflush(stdout); // where both go to one file, in this order
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}
