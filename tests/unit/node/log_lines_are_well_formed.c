/* Claim: a line of the operator's log is one line of logfmt or JSON whatever the texts hold, never
 * too long, and a log that nobody reads stops nothing. */
#include "engine/node/log.h"
#include "tests/unit/node/node_test.h"
#include <signal.h>

static hf_oplog oplog;
static int ends[2];
static uint64_t now;
static char got[64 * 1024];

static uint64_t fake_now(void)
{
    return now;
}

static uint64_t fake_wall(void)
{
    return UINT64_C(1795268700123) * 1000000; /* 2026-11-21T13:45:00.123Z */
}

static void start(bool json, hf_oplog_level level)
{
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    hf_oplog_open(&oplog, ends[1], json, level);
    oplog.now_ns = fake_now;
    oplog.wall_ns = fake_wall;
    now = 0;
}

static const char *all_said(void)
{
    ssize_t size = read(ends[0], got, sizeof got - 1);
    got[size < 0 ? 0 : size] = '\0';
    return got;
}

static void end(void)
{
    close(ends[0]);
    close(ends[1]);
}

#define TIME "2026-11-21T13:45:00.123Z"

static void logfmt(void **unused)
{
    (void)unused;
    start(false, HF_OPLOG_INFO);
    HF_SAY(&oplog, INFO, "ready", HF_NUMBER("cores", 2), HF_BOOL("pinned", true),
           HF_TEXT("data", "/a/b"), HF_END);
    assert_string_equal(all_said(),
                        "ts=" TIME " level=info msg=ready cores=2 pinned=true data=/a/b\n");
    HF_SAY(&oplog, WARN, "two words", HF_TEXT("a", ""), HF_TEXT("b", "x=y"),
           HF_TEXT("c", "say \"x\"\\\n\t\x7f"), HF_END);
    assert_string_equal(all_said(), "ts=" TIME " level=warn msg=\"two words\" a=\"\" b=\"x=y\" "
                                    "c=\"say \\\"x\\\"\\\\\\n\\u0009\\u007f\"\n");
    HF_SAY(&oplog, DEBUG, "not this", HF_END);
    assert_string_equal(all_said(), "");
    end();
}

static void json(void **unused)
{
    (void)unused;
    start(true, HF_OPLOG_DEBUG);
    HF_SAY(&oplog, DEBUG, "ready", HF_NUMBER("n", UINT64_MAX), HF_BOOL("ok", false),
           HF_TEXT("t", "\x01 \xc3\xa9 \xff \xed\xa0\x80 \xf0\x9f\x98\x80 \xf0\x9f"), HF_END);
    assert_string_equal(
        all_said(),
        "{\"ts\":\"" TIME "\",\"level\":\"debug\",\"msg\":\"ready\",\"n\":18446744073709551615,"
        "\"ok\":false,\"t\":\"\\u0001 \xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
        "\xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\"}\n");
    end();
}

static void never_too_long(void **unused)
{
    (void)unused;
    char line[HF_OPLOG_LINE];
    static char text[3 * HF_OPLOG_LINE];
    for (int as_json = 0; as_json < 2; as_json++) {
        start(as_json != 0, HF_OPLOG_INFO);
        oplog.dropped = UINT64_MAX;
        for (size_t size = HF_OPLOG_LINE - 500; size < HF_OPLOG_LINE + 100; size++) {
            memset(text, '\x01', size); /* six characters each */
            memset(text, 'x', size - 200);
            text[size] = '\0';
            const hf_oplog_field fields[] = { HF_TEXT("t", text), HF_NUMBER("after", 1),
                                              HF_TEXT("u", text), HF_BOOL("last", true), HF_END };
            size_t used = hf_oplog_format(&oplog, HF_OPLOG_INFO, "m", fields, 0, UINT64_MAX, line);
            assert_true(used < HF_OPLOG_LINE);
            assert_int_equal(line[used - 1], '\n');
            assert_null(memchr(line, '\n', used - 1));
            const char *tail = as_json != 0 ? ",\"repeated\":18446744073709551615,\"dropped\":"
                                              "18446744073709551615}\n"
                                            : " repeated=18446744073709551615 dropped="
                                              "18446744073709551615\n";
            assert_memory_equal(line + used - strlen(tail), tail, strlen(tail));
        }
        end();
    }
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n' ? 1 : 0;
    }
    return count;
}

static void repetition_is_counted(void **unused)
{
    (void)unused;
    start(false, HF_OPLOG_INFO);
    for (int i = 0; i < HF_OPLOG_BURST + 57; i++) {
        HF_SAY(&oplog, WARN, "again and again", HF_NUMBER("i", (uint64_t)i), HF_END);
    }
    HF_SAY(&oplog, WARN, "another", HF_END);
    assert_int_equal(count_lines(all_said()), HF_OPLOG_BURST + 1);
    now += HF_OPLOG_WINDOW_NS;
    HF_SAY(&oplog, WARN, "again and again", HF_END);
    assert_non_null(strstr(all_said(), "msg=\"again and again\" repeated=57\n"));
    HF_SAY(&oplog, WARN, "again and again", HF_END);
    assert_null(strstr(all_said(), "repeated"));
    for (int i = 0; i < HF_OPLOG_BURST * 2; i++) { /* the last words are always said */
        HF_SAY(&oplog, FATAL, "the end", HF_END);
    }
    assert_int_equal(count_lines(all_said()), HF_OPLOG_BURST * 2);
    end();
}

static void a_full_pipe_stops_nothing(void **unused)
{
    (void)unused;
    static char text[3000];
    uint64_t count = 0;
    start(false, HF_OPLOG_INFO);
    /* As standard error is: writes would wait. */
    assert_int_equal(fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) & ~O_NONBLOCK), 0);
    memset(text, 'x', sizeof text - 1);
    while (oplog.dropped == 0) {
        now += HF_OPLOG_WINDOW_NS;
        HF_SAY(&oplog, INFO, "filling", HF_TEXT("t", text), HF_END);
        assert_true(++count < 1000);
    }
    HF_SAY(&oplog, INFO, "lost too", HF_END);
    (void)all_said();
    now += HF_OPLOG_WINDOW_NS;
    HF_SAY(&oplog, INFO, "room again", HF_END);
    assert_non_null(strstr(all_said(), "msg=\"room again\" dropped=2\n"));
    HF_SAY(&oplog, INFO, "as ever", HF_END);
    assert_null(strstr(all_said(), "dropped"));
    close(ends[0]); /* nobody will ever read */
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
    HF_SAY(&oplog, FATAL, "into nothing", HF_END);
    assert_int_equal(oplog.dropped, 1);
    close(ends[1]);
}

static void the_journal_gets_priorities(void **unused)
{
    (void)unused;
    struct stat st;
    char stream[64];
    start(false, HF_OPLOG_INFO);
    assert_int_equal(fstat(ends[1], &st), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    hf_oplog_open(&oplog, ends[1], true, HF_OPLOG_INFO);
    HF_SAY(&oplog, WARN, "w", HF_END);
    assert_memory_equal(all_said(), "<4>{\"ts\":\"", 10);
    hf_oplog_open(&oplog, ends[1], false, HF_OPLOG_INFO);
    HF_SAY(&oplog, ERROR, "e", HF_END);
    assert_memory_equal(all_said(), "<3>ts=", 6);
    setenv("JOURNAL_STREAM", "1:2", 1); /* inherited, but standard error was redirected */
    hf_oplog_open(&oplog, ends[1], false, HF_OPLOG_INFO);
    HF_SAY(&oplog, ERROR, "e", HF_END);
    assert_memory_equal(all_said(), "ts=", 3);
    unsetenv("JOURNAL_STREAM");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt),
        cmocka_unit_test(json),
        cmocka_unit_test(never_too_long),
        cmocka_unit_test(repetition_is_counted),
        cmocka_unit_test(a_full_pipe_stops_nothing),
        cmocka_unit_test(the_journal_gets_priorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
