#include "tests/unit/server/server_test.h"

#include "engine/shard/session/http.h"

#include <stdio.h>
#include <string.h>

typedef struct http_case {
    const char *text;
    const char *path; /* NULL: BAD with the status */
    uint16_t status;
    bool head, close, openmetrics;
} http_case;

static const http_case cases[] = {
    { "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "/livez", 0, false, false, false },
    { "GET /livez HTTP/1.1\nHost: x\n\n", "/livez", 0, false, false, false },
    { "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "/", 0, false, false, false },
    { "HEAD /metrics?a=b HTTP/1.1\r\n\r\n", "/metrics", 0, true, false, false },
    { "GET / HTTP/1.0\r\n\r\n", "/", 0, false, true, false },
    { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", 0, false, false, false },
    { "GET / HTTP/1.1\r\nCONNECTION:close \r\n\r\n", "/", 0, false, true, false },
    { "GET / HTTP/1.1\r\nAccept: text/html, Application/OpenMetrics-Text;q=1\r\n\r\n", "/", 0,
      false, false, true },
    { "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/", 0, false, false, false },
    { "POST / HTTP/1.1\r\n\r\n", "/", 405, false, false, false },
    { "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", NULL, 405, false, false, false },
    { "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", NULL, 413, false, false, false },
    { "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", NULL, 413, false, false, false },
    { "GET / HTTP/2.0\r\n\r\n", NULL, 505, false, false, false },
    { "GET / HTTP/1.1 \r\n\r\n", NULL, 400, false, false, false },
    { "GET / FTP/1.1\r\n\r\n", NULL, 400, false, false, false },
    { "GET /\r\n\r\n", NULL, 400, false, false, false },
    { "GET  / HTTP/1.1\r\n\r\n", NULL, 400, false, false, false },
    { "GET x HTTP/1.1\r\n\r\n", NULL, 400, false, false, false },
    { "GET /\x01 HTTP/1.1\r\n\r\n", NULL, 400, false, false, false },
    { "G\xc3T / HTTP/1.1\r\n\r\n", NULL, 400, false, false, false },
    { "GET / HTTP/1.1\r\nno colon\r\n\r\n", NULL, 400, false, false, false },
    { "GET / HTTP/1.1\r\nblank : x\r\n\r\n", NULL, 400, false, false, false },
    { "GET / HTTP/1.1\r\n folded: x\r\n\r\n", NULL, 400, false, false, false },
    { "*1\r\n$4\r\nPING\r\n", NULL, 400, false, false, false },
};

static void each_request_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const http_case *c = &cases[i];
        hf_http_request r;
        size_t size = strlen(c->text);
        hf_http_state s = hf_http_parse(hf_bytes_of(c->text, size), &r);
        print_message("%zu %.20s\n", i, c->text);
        assert_int_equal(s, c->path != NULL ? HF_HTTP_REQUEST : HF_HTTP_BAD);
        assert_int_equal(r.status, c->status);
        if (c->path != NULL) {
            assert_true(hf_bytes_equal(r.path, hf_word_of(c->path)));
            assert_int_equal(r.used, size);
            assert_int_equal(r.head, c->head);
            assert_int_equal(r.close, c->close);
            assert_int_equal(r.openmetrics, c->openmetrics);
        }
    }
}

/* However a request is cut: nothing is answered before it is whole, and what follows stays. */
static void half_requests_wait(void **state)
{
    static const char text[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    char two[sizeof text * 2];
    (void)state;
    hf_http_request r;
    for (size_t size = 0; size < sizeof text - 1; size++) {
        assert_int_equal(hf_http_parse(hf_bytes_of(text, size), &r), HF_HTTP_MORE);
    }
    (void)snprintf(two, sizeof two, "%s%s", text, text);
    assert_int_equal(hf_http_parse(hf_bytes_of(two, strlen(two)), &r), HF_HTTP_REQUEST);
    assert_int_equal(r.used, sizeof text - 1);
}

static void heads_are_bounded(void **state)
{
    static char text[HF_HTTP_HEAD_MAX + 64];
    (void)state;
    hf_http_request r;
    int start = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nX: ");
    memset(text + start, 'x', sizeof text - (size_t)start);
    assert_int_equal(hf_http_parse(hf_bytes_of(text, HF_HTTP_HEAD_MAX), &r), HF_HTTP_MORE);
    assert_int_equal(hf_http_parse(hf_bytes_of(text, HF_HTTP_HEAD_MAX + 1), &r), HF_HTTP_BAD);
    assert_int_equal(r.status, 431);
    memcpy(text + HF_HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(hf_http_parse(hf_bytes_of(text, HF_HTTP_HEAD_MAX), &r), HF_HTTP_REQUEST);
    memcpy(text + HF_HTTP_HEAD_MAX - 4, "x\r\n\r\n", 5);
    assert_int_equal(hf_http_parse(hf_bytes_of(text, HF_HTTP_HEAD_MAX + 1), &r), HF_HTTP_BAD);
    assert_int_equal(r.status, 431);
    memset(text, '\n', sizeof text);
    assert_int_equal(hf_http_parse(hf_bytes_of(text, sizeof text), &r), HF_HTTP_BAD);
}

static void answers_have_their_length(void **state)
{
    server_test test;
    (void)state;
    server_test_open(&test);
    hf_http_respond(&test.out, 200, "text/plain", HF_LIT("ok\n"), false, false);
    assert_string_equal(server_test_text(&test),
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\nok\n");
    hf_http_respond(&test.out, 405, "text/plain", HF_LIT("no\n"), true, true);
    const char *text = server_test_text(&test);
    assert_non_null(strstr(text, "Content-Length: 3\r\n"));
    assert_non_null(strstr(text, "Allow: GET, HEAD\r\n"));
    assert_non_null(strstr(text, "Connection: close\r\n\r\n"));
    assert_null(strstr(text, "no\n"));
    server_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_understood),
        cmocka_unit_test(half_requests_wait),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(answers_have_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
