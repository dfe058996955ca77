#include "engine/shard/session/http.h"

#include <stdio.h>

static uint8_t lower_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is(hf_bytes text, const char *lower)
{
    uint32_t i = 0;
    while (i < text.size && lower[i] != 0 && lower_of(text.data[i]) == (uint8_t)lower[i]) {
        i++;
    }
    return i == text.size && lower[i] == 0;
}

/* The line at `*at`, without its end; false: it has no end yet. */
static bool next_line(hf_bytes data, uint32_t *at, hf_bytes *line)
{
    uint32_t start = *at;
    for (uint32_t i = start; i < data.size; i++) {
        if (data.data[i] == '\n') {
            uint32_t end = i > start && data.data[i - 1] == '\r' ? i - 1 : i;
            *line = hf_bytes_of(data.data + start, end - start);
            *at = i + 1;
            return true;
        }
    }
    return false;
}

static bool token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool all(hf_bytes text, bool (*allowed)(uint8_t))
{
    for (uint32_t i = 0; i < text.size; i++) {
        if (!allowed(text.data[i])) {
            return false;
        }
    }
    return text.size != 0;
}

static bool target_char(uint8_t c)
{
    return c > ' ' && c < 127;
}

/* What stands before the next blank. */
static hf_bytes word(hf_bytes *rest)
{
    uint32_t size = 0;
    while (size < rest->size && rest->data[size] != ' ') {
        size++;
    }
    hf_bytes w = hf_bytes_of(rest->data, size);
    uint32_t skip = size < rest->size ? size + 1 : size;
    *rest = hf_bytes_of(rest->data + skip, rest->size - skip);
    return w;
}

/* "GET /path?query HTTP/1.1". False: `status` says why. */
static bool request_line(hf_bytes line, hf_http_request *request)
{
    hf_bytes method = word(&line);
    hf_bytes target = word(&line);
    hf_bytes version = line;
    if (!all(method, token_char) || !all(target, target_char) || target.data[0] != '/') {
        request->status = 400;
        return false;
    }
    if (version.size != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.') {
        request->status = 400;
        return false;
    }
    if (version.data[5] != '1') {
        request->status = 505;
        return false;
    }
    request->close = version.data[7] == '0';
    request->head = hf_bytes_equal(method, HF_LIT("HEAD"));
    if (!request->head && !hf_bytes_equal(method, HF_LIT("GET"))) {
        request->status = 405;
    }
    uint32_t size = 0;
    while (size < target.size && target.data[size] != '?') {
        size++;
    }
    request->path = hf_bytes_of(target.data, size);
    return true;
}

/* Whether the text has the word in it, in any case. */
static bool holds(hf_bytes text, const char *lower)
{
    uint32_t size = (uint32_t)strlen(lower);
    for (uint32_t i = 0; i + size <= text.size; i++) {
        if (is(hf_bytes_of(text.data + i, size), lower)) {
            return true;
        }
    }
    return false;
}

/* One "Name: value". False: it is malformed. */
static bool header(hf_bytes line, hf_http_request *request, bool *has_body)
{
    uint32_t colon = 0;
    while (colon < line.size && line.data[colon] != ':') {
        colon++;
    }
    hf_bytes name = hf_bytes_of(line.data, colon);
    if (colon == line.size || !all(name, token_char)) {
        return false;
    }
    uint32_t start = colon + 1;
    uint32_t end = line.size;
    while (start < end && (line.data[start] == ' ' || line.data[start] == '\t')) {
        start++;
    }
    while (end > start && (line.data[end - 1] == ' ' || line.data[end - 1] == '\t')) {
        end--;
    }
    hf_bytes value = hf_bytes_of(line.data + start, end - start);
    if (is(name, "connection")) {
        request->close = is(value, "close") || (request->close && !is(value, "keep-alive"));
    } else if (is(name, "accept")) {
        request->openmetrics = holds(value, "application/openmetrics-text");
    } else if (is(name, "transfer-encoding")) {
        *has_body = true;
    } else if (is(name, "content-length")) {
        *has_body = *has_body || !is(value, "0");
    }
    return true;
}

hf_http_state hf_http_parse(hf_bytes data, hf_http_request *request)
{
    *request = (hf_http_request){ .path = hf_bytes_of("", 0) };
    uint32_t at = 0;
    hf_bytes line;
    bool has_body = false;
    bool first = true;
    while (next_line(data, &at, &line)) {
        if (at > HF_HTTP_HEAD_MAX) {
            break;
        }
        if (first && line.size == 0) {
            continue; /* RFC 9112, 2.2: an empty line before a request is skipped */
        }
        if (first) {
            first = false;
            if (!request_line(line, request)) {
                return HF_HTTP_BAD;
            }
            continue;
        }
        if (line.size == 0) {
            request->used = at;
            if (has_body) { /* its length is not looked at: what follows cannot be told apart */
                request->status = request->status == 405 ? 405 : 413;
                return HF_HTTP_BAD;
            }
            return HF_HTTP_REQUEST;
        }
        if (!header(line, request, &has_body)) {
            request->status = 400;
            return HF_HTTP_BAD;
        }
    }
    if (at > HF_HTTP_HEAD_MAX || data.size > HF_HTTP_HEAD_MAX) {
        request->status = 431;
        return HF_HTTP_BAD;
    }
    return HF_HTTP_MORE;
}

const char *hf_http_reason(uint16_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

void hf_http_respond(hf_buf *out, uint16_t status, const char *type, hf_bytes body, bool head,
                     bool close)
{
    char text[320];
    int size =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %u\r\n"
                 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s\r\n",
                 status, hf_http_reason(status), type, body.size,
                 status == 405 ? "Allow: GET, HEAD\r\n" : "", close ? "Connection: close\r\n" : "");
    hf_buf_raw(out, text, (uint32_t)size);
    if (!head) {
        hf_buf_raw(out, body.data, body.size);
    }
}
