/* History text: what is written is read back alike, and nothing else is taken. */
#include "tests/unit/check_history/check_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const sample =
    OK_TS(3, 10, 20, 18446744073709551615,
          "['append',1,-5],['list',1,[1,-5]],['list',2,[]],['list',3],['write',4,9],['delete',4],"
          "['read',4,null],['read',4,7],['cas',4,null,3,1],['cas',4,3,null],['scan',0,9,[4,3]]")
        SNAPSHOT(4, 11, 12, 77, "['open',1,5,-9,9],['add',1,2],['add',1,-2,5],['count',1,5]")
            FAIL(5, 12, 12, "['transfer',1,2,3,4],['balances',[2,1,3,2]],['ledger',[1]]")
                UNKNOWN(6, 13, "") LIMIT(0, 0, 9223372036854775806, "['ledger']");

static void print(const hf_history *history, hf_check_text *text)
{
    hf_history_print(history, text);
}

static void round_trip(void **state)
{
    (void)state;
    hf_history first;
    hf_history_open(&first);
    check_test_parse(&first, sample);
    hf_check_text once = { 0 };
    print(&first, &once);
    for (uint32_t i = 0; i < once.size; i++) {
        assert_int_equal(once.data[i], sample[i] == '\'' ? '"' : sample[i]);
    }
    assert_int_equal(once.size, strlen(sample));
    hf_check_text_close(&once);
    hf_history_close(&first);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/hf-history-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    hf_history first;
    hf_history second;
    hf_history_open(&first);
    hf_history_open(&second);
    check_test_parse(&first, sample);
    assert_int_equal(hf_history_save(&first, path), HF_OK);
    hf_history_fault fault;
    assert_int_equal(hf_history_load(&second, path, &fault), HF_OK);
    hf_check_text a = { 0 };
    hf_check_text b = { 0 };
    print(&first, &a);
    print(&second, &b);
    assert_string_equal(hf_check_text_of(&a), hf_check_text_of(&b));
    unlink(path);
    assert_int_equal(hf_history_load(&second, path, &fault), HF_E_IO);
    assert_int_equal(hf_history_save(&first, "/nonexistent/folder/file"), HF_E_IO);
    hf_check_text_close(&a);
    hf_check_text_close(&b);
    hf_history_close(&first);
    hf_history_close(&second);
}

static void refuse(const char *lines, uint32_t line)
{
    hf_history history;
    hf_history_open(&history);
    size_t size = strlen(lines);
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i <= size; i++) {
        text[i] = lines[i] == '\'' ? '"' : lines[i];
    }
    hf_history_fault fault;
    hf_err err = hf_history_parse(&history, text, size, &fault);
    if (err != HF_E_CORRUPT || fault.line != line) {
        print_message("taken, or blamed on line %u: %s", fault.line, lines);
    }
    assert_int_equal(err, HF_E_CORRUPT);
    assert_int_equal(fault.line, line);
    assert_true(fault.what[0] != '\0');
    assert_int_equal(history.count, line - 1); /* the lines before stay */
    free(text);
    hf_history_close(&history);
}

static void what_is_not_in_the_form(void **state)
{
    (void)state;
    refuse("x\n", 1);
    refuse("{}\n", 1);
    refuse("{'process':0,'invoke':1,'heard':'ok'}\n", 1);
    refuse("{'process':0,'invoke':1,'invoke':1,'heard':'ok','ops':[]}\n", 1);
    refuse("{'process':0,'invoke':1,'heard':'maybe','ops':[]}\n", 1);
    refuse("{'process':0,'invoke':1,'heard':'ok','ops':[]} x\n", 1);
    refuse("{'process':0,'invoke':1,'heard':'ok','ops':[],'more':1}\n", 1);
    refuse("{'process':-1,'invoke':1,'heard':'ok','ops':[]}\n", 1);
    refuse("{'process':4294967296,'invoke':1,'heard':'ok','ops':[]}\n", 1);
    refuse("{'process':0,'invoke':9223372036854775807,'heard':'ok','ops':[]}\n", 1);
    refuse(OK(0, 5, 4, ""), 1);
    refuse("{'process':0,'invoke':1,'return':2,'heard':'unknown','ops':[]}\n", 1);
    refuse(OK(0, 0, 1, "") OK(0, 2, 3, "['frob',1]"), 2);
    refuse(OK(0, 0, 1, "") OK(0, 0, 1, "") OK(0, 2, 3, "['write',1]"), 3);
}

static void operations_that_are_not_in_the_form(void **state)
{
    (void)state;
    refuse(OK(0, 0, 1, "['write',1,2,3]"), 1);
    refuse(OK(0, 0, 1, "['write',1,null]"), 1);
    refuse(OK(0, 0, 1, "['write',1,9223372036854775807]"), 1);
    refuse(OK(0, 0, 1, "['write',1,-9223372036854775807]"), 1);
    refuse(OK(0, 0, 1, "['write',1,99999999999999999999]"), 1);
    refuse(OK(0, 0, 1, "['write',1,-]"), 1);
    refuse(OK(0, 0, 1, "['write',1,1.5]"), 1);
    refuse(OK(0, 0, 1, "['list',1,5]"), 1);
    refuse(OK(0, 0, 1, "['list',1,[1,]]"), 1);
    refuse(OK(0, 0, 1, "['list',1,[1]"), 1);
    refuse(OK(0, 0, 1, "['scan',1,2,[1]]"), 1);
    refuse(OK(0, 0, 1, "['count',1,null]"), 1);
    refuse(OK(0, 0, 1, "['transfer',1,2,3,null]"), 1);
    refuse(OK(0, 0, 1, "['read',1,nul]"), 1);
    refuse(OK(0, 0, 1, "'read'"), 1);
}

/* Cut anywhere, the text is refused at its last line or, on a border, is a shorter history. */
static void cut_short_anywhere(void **state)
{
    (void)state;
    size_t size = strlen(sample);
    for (size_t cut = 0; cut < size; cut++) {
        char *text = malloc(cut == 0 ? 1 : cut); /* exactly: a sanitizer sees a read behind it */
        assert_non_null(text);
        uint32_t whole = 0;
        for (size_t i = 0; i < cut; i++) {
            text[i] = sample[i] == '\'' ? '"' : sample[i];
            whole += sample[i] == '\n';
        }
        hf_history history;
        hf_history_open(&history);
        hf_history_fault fault;
        hf_err err = hf_history_parse(&history, text, cut, &fault);
        bool border = cut == 0 || sample[cut - 1] == '\n' || sample[cut] == '\n';
        assert_int_equal(err, border ? HF_OK : HF_E_CORRUPT);
        assert_int_equal(history.count, whole + (border && cut != 0 && sample[cut] == '\n'));
        hf_history_close(&history);
        free(text);
    }
}

static void white_space_and_order_of_fields_are_free(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, "\n  { 'ops' : [ [ 'list' , 1 , [ 2 , 3 ] ] ] , 'heard':'ok' ,\t"
                               "'invoke':1,'process':2 }\r\n\n");
    assert_int_equal(history.count, 1);
    assert_int_equal(history.txns[0].returned, HF_NEVER);
    assert_int_equal(history.txns[0].ops[0].list[1], 3);
    hf_history_close(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(files),
        cmocka_unit_test(what_is_not_in_the_form),
        cmocka_unit_test(operations_that_are_not_in_the_form),
        cmocka_unit_test(cut_short_anywhere),
        cmocka_unit_test(white_space_and_order_of_fields_are_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
