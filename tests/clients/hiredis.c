/* A client as people write it in C with hiredis: `client_hiredis PORT`; exit code 0, or says what
 * was not as it should be. Between "stop" on its standard output and a line on its standard input
 * the node is started again. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *context;

static void fail(const char *what, const redisReply *reply)
{
    const char *said = reply != NULL && reply->str != NULL ? reply->str : context->errstr;
    fprintf(stderr, "%s: %s\n", what, said);
    exit(1);
}

static redisReply *check(const char *what, redisReply *reply, int type)
{
    if (reply == NULL || reply->type != type) {
        fail(what, reply);
    }
    return reply;
}

static void is_text(const char *what, redisReply *reply, int type, const char *text)
{
    check(what, reply, type);
    if (strcmp(reply->str, text) != 0) {
        fail(what, reply);
    }
    freeReplyObject(reply);
}

static void is_number(const char *what, redisReply *reply, long long number)
{
    if (check(what, reply, REDIS_REPLY_INTEGER)->integer != number) {
        fprintf(stderr, "%s: %lld instead of %lld\n", what, reply->integer, number);
        exit(1);
    }
    freeReplyObject(reply);
}

static void commands(void)
{
    is_text("PING", redisCommand(context, "PING"), REDIS_REPLY_STATUS, "PONG");
    is_text("SET", redisCommand(context, "SET %s %b", "bytes", "a\0b", (size_t)3),
            REDIS_REPLY_STATUS, "OK");
    redisReply *reply = check("GET", redisCommand(context, "GET bytes"), REDIS_REPLY_STRING);
    if (reply->len != 3 || memcmp(reply->str, "a\0b", 3) != 0) {
        fail("GET", reply);
    }
    freeReplyObject(reply);
    freeReplyObject(check("GET of nothing", redisCommand(context, "GET nothing"), REDIS_REPLY_NIL));
    is_number("HSET", redisCommand(context, "HSET record f 1 g 2"), 2);
    reply = check("HGETALL", redisCommand(context, "HGETALL record"), REDIS_REPLY_ARRAY);
    if (reply->elements != 4) {
        fail("HGETALL", reply);
    }
    freeReplyObject(reply);
    freeReplyObject(check("wrong type", redisCommand(context, "GET record"), REDIS_REPLY_ERROR));
    is_text("HF.ADD", redisCommand(context, "HF.ADD a:account 5 MAX 5"), REDIS_REPLY_STATUS, "OK");
    reply = check("LIMIT", redisCommand(context, "HF.ADD a:account 1 MAX 5"), REDIS_REPLY_ERROR);
    if (strncmp(reply->str, "LIMIT ", 6) != 0) {
        fail("LIMIT", reply);
    }
    freeReplyObject(reply);
}

static void pipelines(void)
{
    enum { COUNT = 10000 };
    for (int i = 0; i < COUNT; i++) {
        redisAppendCommand(context, "INCR %s", i % 2 == 0 ? "a:even" : "z:odd");
    }
    for (int i = 0; i < COUNT; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(context, (void **)&reply) != REDIS_OK) {
            fail("pipeline", NULL);
        }
        is_number("pipeline", reply, i / 2 + 1);
    }
}

static void transactions(void)
{
    is_text("MULTI", redisCommand(context, "MULTI"), REDIS_REPLY_STATUS, "OK");
    is_text("queued", redisCommand(context, "SET a:multi 1"), REDIS_REPLY_STATUS, "QUEUED");
    is_text("queued", redisCommand(context, "SET z:multi 2"), REDIS_REPLY_STATUS, "QUEUED");
    redisReply *reply = check("EXEC", redisCommand(context, "EXEC"), REDIS_REPLY_ARRAY);
    if (reply->elements != 2) {
        fail("EXEC", reply);
    }
    freeReplyObject(reply);
}

static void messages(int port)
{
    redisContext *other = redisConnect("127.0.0.1", port);
    freeReplyObject(check("SUBSCRIBE", redisCommand(other, "SUBSCRIBE news"), REDIS_REPLY_ARRAY));
    is_number("PUBLISH", redisCommand(context, "PUBLISH news hello"), 1);
    redisReply *reply = NULL;
    if (redisGetReply(other, (void **)&reply) != REDIS_OK || reply->elements != 3 ||
        strcmp(reply->element[2]->str, "hello") != 0) {
        fail("message", reply);
    }
    freeReplyObject(reply);
    redisFree(other);
}

int main(int argc, char **argv)
{
    char line[16];
    if (argc != 2) {
        return 2;
    }
    int port = (int)strtol(argv[1], NULL, 10);
    context = redisConnect("127.0.0.1", port);
    if (context == NULL || context->err != 0) {
        fail("connect", NULL);
    }
    commands();
    pipelines();
    transactions();
    messages(port);
    puts("stop");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) {
        return 2;
    }
    redisReply *reply = redisCommand(context, "GET z:odd"); /* the old connection is gone */
    if (reply != NULL || redisReconnect(context) != REDIS_OK) {
        fail("reconnect", reply);
    }
    is_text("after a restart", redisCommand(context, "GET z:odd"), REDIS_REPLY_STRING, "5000");
    redisFree(context);
    return 0;
}
