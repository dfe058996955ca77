#include "tools/holdfast/client.h"
#include "engine/base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HOST_MAX = 256,
    DEPTH_MAX = 16,
    LINE_MAX_SIZE = 64 * 1024,
    READ_SIZE = 64 * 1024,
    WORDS_MAX = 8,
};
#define BULK_MAX ((size_t)512 << 20)
#define ITEMS_MAX ((size_t)1 << 26)

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int lost(const hf_tool_client *client, const char *what)
{
    if (!client->quiet) {
        (void)hf_tool_say(HF_TOOL_UNREACHABLE, "%s: %s", client->at, what);
    }
    return HF_TOOL_UNREACHABLE;
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* HOST:PORT, [IPV6]:PORT. */
static bool address_of(const char *at, char host[HOST_MAX], const char **port)
{
    const char *colon = strrchr(at, ':');
    uint64_t number;
    if (colon == NULL || colon == at) {
        return false;
    }
    bool bracketed = at[0] == '[' && colon[-1] == ']' && colon - at > 2;
    size_t size = (size_t)(colon - at) - (bracketed ? 2 : 0);
    if (size >= HOST_MAX ||
        hf_text_u64(hf_bytes_of(colon + 1, strlen(colon + 1)), &number) != HF_OK || number == 0 ||
        number > 65535) {
        return false;
    }
    memcpy(host, at + bracketed, size);
    host[size] = '\0';
    *port = colon + 1;
    return true;
}

/* Waits for the socket; false: the time is over. */
static bool wait_for(const hf_tool_client *client, int16_t events)
{
    for (;;) {
        struct pollfd poller = { .fd = client->fd, .events = events };
        uint64_t now = now_ns();
        if (now >= client->until_ns) {
            errno = ETIMEDOUT;
            return false;
        }
        uint64_t left_ms = (client->until_ns - now) / 1000000 + 1;
        int ready = poll(&poller, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

static bool connect_to(hf_tool_client *client, const struct addrinfo *address)
{
    int error = 0;
    socklen_t size = sizeof error;
    int one = 1;
    client->fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0) {
        return false;
    }
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && wait_for(client, POLLOUT) &&
         getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)) {
        (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return true;
    }
    error = error != 0 ? error : errno;
    (void)close(client->fd);
    client->fd = -1;
    errno = error;
    return false;
}

int hf_tool_client_open(hf_tool_client *client, const hf_tool *tool)
{
    char host[HOST_MAX];
    const char *port;
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    bool quiet = client->quiet;
    *client = (hf_tool_client){
        .fd = -1, .at = tool->at, .timeout_ns = tool->timeout_ns, .quiet = quiet
    };
    if (!address_of(tool->at, host, &port)) {
        return hf_tool_misused(NULL, "--at takes HOST:PORT, not '%s'", tool->at);
    }
    int error = getaddrinfo(host, port, &wanted, &found);
    if (error != 0) {
        return lost(client, gai_strerror(error));
    }
    client->until_ns = now_ns() + client->timeout_ns;
    for (const struct addrinfo *one = found; one != NULL && client->fd < 0; one = one->ai_next) {
        (void)connect_to(client, one);
    }
    error = errno;
    freeaddrinfo(found);
    if (client->fd < 0) {
        return lost(client, strerror(error));
    }
    hf_tree hello;
    return hf_tool_client_call(client, &hello, "HELLO", "3", NULL);
}

void hf_tool_client_close(hf_tool_client *client)
{
    if (client->fd >= 0) {
        (void)close(client->fd);
        client->fd = -1;
    }
    free(client->in);
    client->in = NULL;
}

/* ---- Bytes in and out ------------------------------------------------------------------------ */

static bool send_all(hf_tool_client *client, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            if (!wait_for(client, POLLOUT)) {
                return false;
            }
        } else if (sent == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Some more bytes; false: none will come. */
static bool receive(hf_tool_client *client)
{
    if (client->from == client->to) {
        client->from = client->to = 0;
    }
    if (client->room - client->to < READ_SIZE) {
        if (client->from != 0) {
            memmove(client->in, client->in + client->from, client->to - client->from);
        }
        client->to -= client->from;
        client->from = 0;
        if (client->room - client->to < READ_SIZE) {
            client->room = client->room * 2 + READ_SIZE;
            client->in = hf_tool_grow(client->in, client->room);
        }
    }
    for (;;) {
        ssize_t got = recv(client->fd, client->in + client->to, client->room - client->to, 0);
        if (got > 0) {
            client->to += (size_t)got;
            return true;
        }
        if (got == 0) {
            errno = ECONNRESET;
            return false;
        }
        if (errno == EAGAIN ? !wait_for(client, POLLIN) : errno != EINTR) {
            return false;
        }
    }
}

/* The next `size` bytes, copied. */
static bool take(hf_tool_client *client, size_t size, hf_bytes *out)
{
    while (client->to - client->from < size) {
        if (!receive(client)) {
            return false;
        }
    }
    uint8_t *copy = hf_tool_take(size + 1);
    memcpy(copy, client->in + client->from, size);
    client->from += size;
    *out = hf_bytes_of(copy, size);
    return true;
}

/* A line without its end, copied. */
static bool take_line(hf_tool_client *client, hf_bytes *line)
{
    size_t looked = 0;
    for (;;) {
        size_t left = client->to - client->from;
        const uint8_t *end =
            left == looked ? NULL : memchr(client->in + client->from + looked, '\n', left - looked);
        if (end != NULL) {
            size_t size = (size_t)(end - (client->in + client->from)) + 1;
            if (size < 2 || end[-1] != '\r' || !take(client, size, line)) {
                errno = EPROTO;
                return false;
            }
            line->size -= 2;
            return true;
        }
        looked = left;
        if (left > LINE_MAX_SIZE) {
            errno = EPROTO;
            return false;
        }
        if (!receive(client)) {
            return false;
        }
    }
}

/* ---- Replies --------------------------------------------------------------------------------- */

static bool bad(void)
{
    errno = EPROTO;
    return false;
}

static bool read_tree(hf_tool_client *client, hf_tree *tree, int depth);

static bool read_bulk(hf_tool_client *client, int64_t size, hf_tree *tree)
{
    hf_bytes end;
    if (size < 0 || (size_t)size > BULK_MAX) {
        return bad();
    }
    return take(client, (size_t)size, &tree->text) && take(client, 2, &end) &&
           (memcmp(end.data, "\r\n", 2) == 0 || bad());
}

static bool read_items(hf_tool_client *client, hf_tree *tree, int64_t count, int depth)
{
    if (count < 0 || (size_t)count > ITEMS_MAX) {
        return bad();
    }
    for (int64_t i = 0; i < count; i++) {
        hf_tree item;
        if (!read_tree(client, &item, depth + 1)) {
            return false;
        }
        (void)hf_tree_add(tree, item);
    }
    return true;
}

static bool read_simple(char kind, hf_bytes line, hf_tree *tree)
{
    switch (kind) {
    case '+':
    case '(':
        *tree = (hf_tree){ .kind = HF_TREE_TEXT, .text = line };
        return true;
    case '-':
        *tree = (hf_tree){ .kind = HF_TREE_ERROR, .text = line };
        return true;
    case ':':
        tree->kind = HF_TREE_INTEGER;
        return hf_text_i64(line, &tree->integer) == HF_OK || bad();
    case ',':
        tree->kind = HF_TREE_REAL;
        tree->real = strtod((const char *)line.data, NULL);
        return true;
    case '#':
        tree->kind = HF_TREE_BOOL;
        tree->boolean = line.size == 1 && line.data[0] == 't';
        return true;
    case '_':
        tree->kind = HF_TREE_NULL;
        return true;
    default:
        return bad();
    }
}

static bool read_tree(hf_tool_client *client, hf_tree *tree, int depth)
{
    hf_bytes line;
    int64_t size = 0;
    *tree = (hf_tree){ .kind = HF_TREE_NULL };
    if (!take_line(client, &line)) {
        return false;
    }
    if (line.size == 0 || depth > DEPTH_MAX) {
        return bad();
    }
    char kind = (char)line.data[0];
    line = hf_bytes_of(line.data + 1, line.size - 1);
    if (strchr("$=!*~>%", kind) == NULL) {
        /* The byte behind the line is the \r of its end: strtod stops there. */
        return read_simple(kind, line, tree);
    }
    if (hf_text_i64(line, &size) != HF_OK) {
        return bad();
    }
    if (size == -1 && (kind == '$' || kind == '*')) {
        return true;
    }
    if (strchr("$=!", kind) != NULL) {
        tree->kind = kind == '!' ? HF_TREE_ERROR : HF_TREE_TEXT;
        if (!read_bulk(client, size, tree)) {
            return false;
        }
        if (kind == '=' && tree->text.size >= 4) { /* "txt:" */
            tree->text = hf_bytes_of(tree->text.data + 4, tree->text.size - 4);
        }
        return true;
    }
    tree->kind = kind == '%' ? HF_TREE_MAP : HF_TREE_LIST;
    return read_items(client, tree, kind == '%' ? size * 2 : size, depth);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

int hf_tool_client_ask(hf_tool_client *client, const hf_bytes *words, uint32_t count,
                       hf_tree *reply)
{
    size_t size = HF_TEXT_NUMBER;
    for (uint32_t i = 0; i < count; i++) {
        size += words[i].size + HF_TEXT_NUMBER;
    }
    char *out = hf_tool_take(size + HF_TEXT_NUMBER);
    size_t at = (size_t)snprintf(out, HF_TEXT_NUMBER, "*%" PRIu32 "\r\n", count);
    for (uint32_t i = 0; i < count; i++) {
        at += (size_t)snprintf(out + at, HF_TEXT_NUMBER, "$%" PRIu32 "\r\n", words[i].size);
        memcpy(out + at, words[i].data, words[i].size);
        memcpy(out + at + words[i].size, "\r\n", 2);
        at += words[i].size + 2;
    }
    client->until_ns = now_ns() + client->timeout_ns;
    bool good = send_all(client, (const uint8_t *)out, at);
    if (!good || !read_tree(client, reply, 0)) {
        return lost(client, errno == ECONNRESET || errno == EPIPE ? "the node ended the connection"
                            : errno == EPROTO                     ? "the answer is not RESP"
                                                                  : strerror(errno));
    }
    if (reply->kind == HF_TREE_ERROR) {
        if (!client->quiet) {
            (void)hf_tool_say(HF_TOOL_SERVER, "%s answers: %.*s", client->at, (int)reply->text.size,
                              (const char *)reply->text.data);
        }
        return HF_TOOL_SERVER;
    }
    return HF_TOOL_OK;
}

int hf_tool_client_call(hf_tool_client *client, hf_tree *reply, ...)
{
    hf_bytes words[WORDS_MAX];
    uint32_t count = 0;
    va_list list;
    va_start(list, reply);
    for (const char *word = va_arg(list, const char *); word != NULL && count < WORDS_MAX;
         word = va_arg(list, const char *)) {
        words[count++] = hf_bytes_of(word, strlen(word));
    }
    va_end(list);
    return hf_tool_client_ask(client, words, count, reply);
}
