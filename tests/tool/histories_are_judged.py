"""Claim: `holdfast check` says of a saved history whether clients heard what they may have heard."""

import json
import os
import tempfile

import tool
from tool import ToolTest


def txn(process, invoke, end, *ops, heard="ok"):
    return json.dumps({"process": process, "invoke": invoke, "return": end, "heard": heard,
                       "ops": [list(op) for op in ops]}, separators=(",", ":"))


GOOD = [txn(1, 0, 10, ["write", 7, 1]), txn(2, 20, 30, ["read", 7, 1]),
        txn(1, 40, 50, ["append", 3, 5]), txn(2, 60, 70, ["list", 3, [5]])]
STALE = GOOD[:2] + [txn(1, 40, 50, ["write", 7, 2]), txn(2, 60, 70, ["read", 7, 1])]


class Check(ToolTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def save(self, name, lines):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in lines))
        return path

    def test_a_good_one(self):
        path = self.save("good", GOOD)
        found = self.json("check", path)
        self.assertTrue(found[0]["good"])
        self.assertEqual(found[0]["transactions"], 4)
        self.assertIn("register", [judge["judge"] for judge in found[0]["judges"]])
        self.assertIn("valid", self.good("check", path))

    def test_a_stale_read(self):
        path = self.save("stale", STALE)
        code, out, _ = self.tool("--json", "check", path)
        self.assertEqual(code, 1)
        found = json.loads(out)[0]
        self.assertFalse(found["good"])
        self.assertEqual([judge["ruling"] for judge in found["judges"] if judge["judge"] == "register"],
                         ["invalid"])
        self.assertIn("key 7", [judge["findings"][0]["text"] for judge in found["judges"]
                                if judge["judge"] == "register"][0])
        self.assertEqual(self.tool("check", path)[0], 1)

    def test_one_of_several(self):
        code, out, _ = self.tool("--json", "check", self.save("good", GOOD), self.save("stale", STALE))
        self.assertEqual(code, 1)
        self.assertEqual([one["good"] for one in json.loads(out)], [True, False])

    def test_nothing_to_judge(self):
        code, _, said = self.tool("check", self.save("empty", []))
        self.assertEqual(code, 1)
        self.assertIn("nothing in them to judge", said)

    def test_what_is_no_history(self):
        self.refused(65, ":2: ", "check", self.save("bad", [GOOD[0], "{\"process\":"]))
        self.refused(74, "cannot be read", "check", os.path.join(self.folder, "none"))


if __name__ == "__main__":
    tool.main()
