#!/usr/bin/env python3
"""usage: an_installed_library_is_used.py BUILD CC CXX

Installs the library into an empty place and builds the examples by pkg-config, as C and C++, shared and
static, and by find_package; runs them; looks at what the libraries show to their users."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "tests", "node"))

from holdfast import Node  # noqa: E402

CPP = """
#include <holdfast/holdfast.h>
#include <cstdio>
int main()
{
    hf_options options = {};
    options.cores = 1;
    hf_result none = hf_txn_result(nullptr, 0);
    std::printf("%s %s %d\\n", hf_version(), hf_err_text(HF_E_LOCKED), none.kind == HF_RESULT_NONE && options.cores == 1);
    return hf_close(nullptr) == HF_OK ? 0 : 1;
}
"""


class Package(unittest.TestCase):
    build = cc = cxx = None

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="hf-package-", dir=cls.build)
        cls.prefix = os.path.join(cls.place, "moved")
        first = os.path.join(cls.place, "first")
        cls.run_it("cmake", "--install", cls.build, "--prefix", first, "--component", "library")
        os.rename(first, cls.prefix)  # nothing in it may know where it was
        cls.lib = os.path.dirname(glob.glob(cls.prefix + "/**/libholdfast.so", recursive=True)[0])
        cls.environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(cls.lib, "pkgconfig"),
                               LD_LIBRARY_PATH=cls.lib)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place, ignore_errors=True)

    @classmethod
    def run_it(cls, *words, environment=None):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=400)
        if done.returncode != 0:
            raise AssertionError("%s: %s\n%s%s" % (" ".join(words), done.returncode, done.stdout,
                                                   done.stderr))
        return done.stdout

    def good(self, *words):
        return self.run_it(*words, environment=self.environment)

    def flags(self, *more):
        return self.good("pkg-config", *more, "holdfast").split()

    def program(self, name):
        return os.path.join(self.place, name)

    def directory(self, name):
        return os.path.join(self.place, "data-" + name)

    def example(self, name):
        return os.path.join(SOURCE, "engine", "library", "examples", name + ".c")

    def check_transfer(self, program):
        said = self.good(program, self.directory(os.path.basename(program)))
        self.assertIn("transfer 4: refused, alice has too little\nalice 10, bob 90\n", said)

    def test_pkg_config_shared(self):
        out = self.program("shared")
        self.good(self.cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", out,
                  self.example("embedded_transfer"), *self.flags("--cflags", "--libs"))
        self.check_transfer(out)

    def test_pkg_config_static(self):
        out = self.program("static")
        libs = [os.path.join(self.lib, "libholdfast.a") if flag == "-lholdfast" else flag
                for flag in self.flags("--cflags", "--libs", "--static")]
        self.good(self.cc, "-std=c11", "-o", out, self.example("embedded_transfer"), *libs)
        self.assertNotIn("libholdfast", self.good("ldd", out))
        self.check_transfer(out)

    def test_cmake(self):
        copy, made = os.path.join(self.place, "copy"), os.path.join(self.place, "made")
        shutil.copytree(glob.glob(self.prefix + "/**/examples", recursive=True)[0], copy)
        self.good("cmake", "-G", "Ninja", "-S", copy, "-B", made, "-DCMAKE_PREFIX_PATH=" + self.prefix,
                  "-DCMAKE_C_COMPILER=" + self.cc)
        self.good("cmake", "--build", made)
        self.check_transfer(os.path.join(made, "embedded_transfer"))
        said = self.good(os.path.join(made, "completions"), self.directory("completions"))
        done, refused = [int(n) for n in re.findall(r"\d+", said)]
        self.assertEqual(done + refused, 100000)
        self.assertGreater(done, 50000)
        with Node(os.path.join(self.build, "bin", "holdfastd"), cores=2) as node:
            said = self.good(os.path.join(made, "connected_transfer"),
                             "localhost:1,127.0.0.1:%d" % node.port)
        self.assertEqual(said.splitlines()[-2:], ["transfer 4: refused", "alice 10"])

    def test_cplusplus(self):
        source, out = self.program("check.cc"), self.program("check")
        with open(source, "w", encoding="ascii") as file:
            file.write(CPP)
        self.good(self.cxx, "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", out, source,
                  *self.flags("--cflags", "--libs"))
        self.assertEqual(self.good(out), "%s another process holds the data directory 1\n" %
                         self.flags("--modversion")[0])

    def test_what_can_be_seen(self):
        """The functions of the headers, and nothing else; one soname."""
        told = set()
        for header in glob.glob(self.prefix + "/include/holdfast/*.h"):
            with open(header, encoding="ascii") as file:
                text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
                told |= set(re.findall(r"HF_API[^;(]*?(hf_\w+)\(", text))
        seen = self.good("nm", "-D", "--defined-only", os.path.join(self.lib, "libholdfast.so"))
        names = {line.split()[2].split("@")[0] for line in seen.splitlines()}
        self.assertEqual(names - {"HOLDFAST_1"}, told)
        seen = self.good("nm", "--extern-only", "--defined-only",
                         os.path.join(self.lib, "libholdfast.a"))
        self.assertEqual(set(re.findall(r" [TDBRV] (\w+)", seen)), told)
        head = self.good("readelf", "-d", os.path.join(self.lib, "libholdfast.so"))
        self.assertRegex(head, r"soname: \[libholdfast\.so\.\d+\]")

    def test_pages(self):
        pages = glob.glob(self.prefix + "/**/man3/*.3", recursive=True)
        if not shutil.which("scdoc"):
            self.skipTest("no scdoc here")
        text = ""
        for page in pages:
            with open(page, encoding="utf-8") as file:
                text += file.read().replace("\\", "")
        header = self.good("nm", "-D", "--defined-only", os.path.join(self.lib, "libholdfast.so"))
        for name in re.findall(r" T (hf_\w+)", header):
            self.assertIn(name, text)


if __name__ == "__main__":
    Package.build, Package.cc, Package.cxx = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1], verbosity=2)
