/* script: text scenarios, a test for each file of a folder of tests/data.
 *
 *   # a remark
 *   what is to be done     a line each
 *   ----
 *   what comes of it
 *
 * Blocks are parted by blank lines; one of remarks alone has no "----". An assertion of what is
 * under test is the word "stops". With --rewrite what came is written into the files.
 */
#ifndef HF_TESTS_SCRIPT_H
#define HF_TESTS_SCRIPT_H
#include <stddef.h>
#include <stdint.h>

typedef struct script {
    const char *folder;      /* tests/data/... */
    const char *nothing;     /* what a block says of which nothing comes; or NULL */
    void (*open_file)(void); /* or NULL, as all but `line` */
    void (*close_file)(void);
    void (*open_block)(void);
    void (*line)(const char *line); /* does it, and says what comes of it */
} script;

/* Runs all files of the folder: for main. */
int script_main(const script *scripts, int argc, char **argv);

/* What came of it, appended; no more than a file has room for. */
void script_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How much was said; and takes back what was said since. */
size_t script_said(void);
void script_unsay(size_t said);

enum { SCRIPT_LINE_SIZE = 256, SCRIPT_WORDS_MAX = 16 };

typedef struct script_words {
    char text[SCRIPT_LINE_SIZE];
    const char *word[SCRIPT_WORDS_MAX];
    uint32_t count;
} script_words;

void script_split(const char *line, script_words *words);

#endif
