/* The two ways out: data on stdout, talk on stderr. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "base/json.h"
#include "base/texttab.h"

/** Write a text to stdout and clear it.
 * @return FUSOR_EIO: stdout takes no more (a full disk; a closed pipe ends the
 * process by SIGPIPE); FUSOR_ENOMEM when the text had failed */
enum fusor_status output_text(struct strbuf *text, struct fusor_error *err);
enum fusor_status output_json(struct json *j, struct fusor_error *err);
/** Prints and destroys the table. */
enum fusor_status output_table(struct texttab *t, struct fusor_error *err);

/** One line for a person, on stderr. */
void output_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
