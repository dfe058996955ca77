#include "tests/unit/check_history/check_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_test_parse(hf_history *history, const char *lines)
{
    size_t size = strlen(lines);
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i <= size; i++) {
        text[i] = lines[i];
        if (text[i] == '\'') {
            text[i] = '"';
        }
    }
    hf_history_fault fault;
    hf_err err = hf_history_parse(history, text, size, &fault);
    if (err != HF_OK) {
        print_message("line %u: %s\n", fault.line, fault.what);
    }
    free(text);
    assert_int_equal(err, HF_OK);
}

static void show(const hf_verdict *verdict)
{
    hf_check_text text = { 0 };
    hf_verdict_print(verdict, &text);
    print_message("%s", hf_check_text_of(&text));
    hf_check_text_close(&text);
}

static void judge_lines(check_test_judge *judge, const char *lines, hf_verdict *verdict)
{
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, lines);
    hf_verdict_open(verdict);
    judge(&history, verdict);
    hf_history_close(&history);
}

void check_test_ruling(check_test_judge *judge, const char *lines, hf_ruling wanted)
{
    hf_verdict verdict;
    judge_lines(judge, lines, &verdict);
    if (verdict.ruling != wanted) {
        show(&verdict);
    }
    assert_string_equal(hf_ruling_name(verdict.ruling), hf_ruling_name(wanted));
    hf_verdict_close(&verdict);
}

void check_test_valid(check_test_judge *judge, const char *lines)
{
    check_test_ruling(judge, lines, HF_RULING_VALID);
}

void check_test_finds(check_test_judge *judge, const char *lines, const char *anomaly,
                      const char *nickname)
{
    hf_verdict verdict;
    judge_lines(judge, lines, &verdict);
    bool found = verdict.ruling == HF_RULING_INVALID && hf_verdict_has(&verdict, anomaly) &&
                 (nickname == NULL || hf_verdict_has(&verdict, nickname));
    if (!found) {
        print_message("wanted %s (%s)\n", anomaly, nickname == NULL ? "any" : nickname);
        show(&verdict);
    }
    hf_verdict_close(&verdict);
    assert_true(found);
}
