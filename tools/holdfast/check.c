/* holdfast check: the simulator's judges, over saved histories. */
#include "tests/sim/checkers/judges.h"
#include "tools/holdfast/tree.h"
#include <inttypes.h>

static hf_tree describe(const char *name, const hf_verdict *verdict)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree findings = { .kind = HF_TREE_LIST };
    uint64_t kept = verdict->finding_count < HF_FINDINGS ? verdict->finding_count : HF_FINDINGS;
    for (uint64_t i = 0; i < kept; i++) {
        hf_tree one = { .kind = HF_TREE_MAP };
        hf_tree_put(&one, "anomaly", hf_tree_text(verdict->findings[i].anomaly));
        hf_tree_put(&one, "nickname", hf_tree_text(verdict->findings[i].nickname));
        const char *text = hf_check_text_of(&verdict->findings[i].text);
        size_t size = strlen(text) + 1; /* a copy: the verdict goes before it is shown */
        hf_tree_put(&one, "text", hf_tree_text(memcpy(hf_tool_take(size), text, size)));
        (void)hf_tree_add(&findings, one);
    }
    hf_tree_put(&map, "judge", hf_tree_text(name));
    hf_tree_put(&map, "ruling", hf_tree_text(hf_ruling_name(verdict->ruling)));
    hf_tree_put(&map, "judged", hf_tree_integer((int64_t)verdict->judged));
    hf_tree_put(&map, "skipped", hf_tree_integer((int64_t)verdict->skipped));
    hf_tree_put(&map, "found", hf_tree_integer((int64_t)verdict->finding_count));
    hf_tree_put(&map, "findings", findings);
    return map;
}

static void put_lines(const char *path, const char *name, const hf_verdict *verdict)
{
    (void)printf("%s: %s: %s, %" PRIu64 " judged, %" PRIu64 " skipped\n", path, name,
                 hf_ruling_name(verdict->ruling), verdict->judged, verdict->skipped);
    if (verdict->finding_count != 0) {
        hf_check_text text = { 0 };
        hf_verdict_print(verdict, &text);
        (void)fputs(hf_check_text_of(&text), stdout);
        hf_check_text_close(&text);
    }
}

/* Adds what the judges say of one file to `files`. */
static int check_file(const hf_tool *tool, const char *path, hf_tree *files)
{
    static hf_verdict verdict;
    hf_history history;
    hf_history_fault fault;
    hf_tree judges = { .kind = HF_TREE_LIST };
    bool wrong = false;
    bool valid = false;
    hf_history_open(&history);
    hf_err err = hf_history_load(&history, path, &fault);
    if (err != HF_OK) {
        hf_history_close(&history);
    }
    if (err == HF_E_IO) {
        return hf_tool_say(HF_TOOL_IO, "%s: cannot be read", path);
    }
    if (err != HF_OK) {
        return hf_tool_say(HF_TOOL_DAMAGED, "%s:%" PRIu32 ": %s", path, fault.line, fault.what);
    }
    for (uint32_t i = 0; i < HF_JUDGES; i++) {
        hf_verdict_open(&verdict);
        (void)hf_judges[i].judge(&history, &verdict);
        wrong = wrong || verdict.ruling > HF_RULING_VALID;
        valid = valid || verdict.ruling == HF_RULING_VALID;
        if (verdict.ruling != HF_RULING_NOTHING) {
            (void)hf_tree_add(&judges, describe(hf_judges[i].name, &verdict));
            if (!tool->json) {
                put_lines(path, hf_judges[i].name, &verdict);
            }
        }
        hf_verdict_close(&verdict);
    }
    hf_tree file = { .kind = HF_TREE_MAP };
    hf_tree_put(&file, "file", hf_tree_text(path));
    hf_tree_put(&file, "transactions", hf_tree_integer(history.count));
    hf_tree_put(&file, "good", hf_tree_boolean(!wrong && valid));
    hf_tree_put(&file, "judges", judges);
    (void)hf_tree_add(files, file);
    if (!valid && !wrong) {
        (void)hf_tool_say(HF_TOOL_FAILED,
                          "%s: %" PRIu32 " transactions, and nothing in them to judge", path,
                          history.count);
    }
    hf_history_close(&history);
    return !wrong && valid ? HF_TOOL_OK : HF_TOOL_FAILED;
}

int hf_tool_check(const hf_tool *tool, int argc, char **argv)
{
    hf_tree files = { .kind = HF_TREE_LIST };
    int code = HF_TOOL_OK;
    if (argc < 2 || argv[1][0] == '-') {
        return hf_tool_misused(argv[0], "check takes files");
    }
    for (int i = 1; i < argc; i++) {
        int one = check_file(tool, argv[i], &files);
        code = one > code ? one : code; /* what cannot be read is worse than what is wrong */
    }
    if (tool->json) {
        hf_tree_show(tool, &files);
    }
    return code;
}
