// SPDX-License-Identifier: Apache-2.0
#include "block/crash_cause.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

using namespace ckpt::supervisor;

namespace {

// Standard error is a file while it lives, as in a job.
class ErrorFile {
 public:
  ErrorFile() : saved_(::dup(STDERR_FILENO)) {
    char name[] = "/tmp/ckpt-stderr-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~ErrorFile() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }
  ErrorFile(const ErrorFile&) = delete;
  void write(const std::string& text) const { REQUIRE(::write(STDERR_FILENO, text.data(), text.size()) > 0); }

 private:
  int saved_;
};

constexpr const char* cuda_traceback = R"(Traceback (most recent call last):
  File "train.py", line 40, in <module>
    loss.backward()
RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
)";

}  // namespace

TEST_CASE("a CUDA error is told as one, with the line that says it") {
  const CrashCause cause = read_last_words(cuda_traceback);
  CHECK(cause.kind == CrashKind::device);
  CHECK(cause.words == "RuntimeError: CUDA error: an illegal memory access was encountered");
}

TEST_CASE("memory that ran out is told as that, also on a GPU") {
  for (const char* line : {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "MemoryError",
                           "terminate called after throwing an instance of 'std::bad_alloc'",
                           "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory"})
    CHECK(read_last_words(std::string("epoch 3\n") + line + "\n").kind == CrashKind::memory);
}

TEST_CASE("a step that was killed for memory is told with what helps") {
  for (const char* line : {"slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0. Some of your processes may "
                           "have been killed by the cgroup out-of-memory handler.",
                           "srun: error: n1: task 0: Out Of Memory"}) {
    const CrashCause cause = read_last_words(std::string("epoch 3\n") + line + "\n");
    CHECK(cause.kind == CrashKind::memory);
    CHECK(cause.words.find("ask for more (--mem)") != std::string::npos);
  }
}

TEST_CASE("any other traceback gives its exception") {
  const CrashCause cause = read_last_words(
      "epoch 3\nTraceback (most recent call last):\n  File \"t.py\", line 1\n    x\nValueError: bad\tshape\n\nbye\n");
  CHECK(cause.kind == CrashKind::program);
  CHECK(cause.words == "ValueError: bad shape");
}

TEST_CASE("an output that says nothing of it gives no words") {
  CHECK(read_last_words("").words.empty());
  CHECK(read_last_words("\n\n").words.empty());
  CHECK(read_last_words("epoch 3 loss 0.1").words.empty());
  CHECK(read_last_words("Traceback (most recent call last):\n  File\n").words.empty());
}

TEST_CASE("what ckptrun itself said is no word of the program") {
  CHECK(read_last_words("ckptrun: block 1 ended: CUDA error\n").words.empty());
}

TEST_CASE("only the last lines count: an error that was survived long ago explains nothing") {
  std::string output = "CUDA error: survived\n";
  for (int i = 0; i < 100; ++i) output += "epoch\n";
  CHECK(read_last_words(output).words.empty());
}

TEST_CASE("a long line is cut, never inside a character") {
  const CrashCause cause = read_last_words("CUDA error " + std::string(188, 'x') + "ééééé");
  CHECK(cause.words.size() <= 205);
  CHECK(cause.words.ends_with("…"));
  CHECK(cause.words.find("é") == std::string::npos);
}

TEST_CASE("a witness reads what was written since it was called, and nothing older") {
  const ErrorFile file;
  file.write("CUDA error: of the block before\n");
  const Witness witness;
  CHECK(witness.cause("").words.empty());
  file.write("ValueError: no traceback\nMemoryError\n");
  CHECK(witness.cause("").kind == CrashKind::memory);
}

TEST_CASE("a crash is explained once, with the node when another one may do") {
  CHECK(explain("exit code 1", {}, "r01c07") == "exit code 1");
  CHECK(explain("exit code 1", {CrashKind::program, "ValueError: x"}, "r01c07") == "exit code 1: ValueError: x");
  CHECK(explain("exit code 1: ValueError: x", {CrashKind::program, "ValueError: x"}, "n") == "exit code 1: ValueError: x");
  CHECK(explain("killed by SIGABRT", {CrashKind::device, "CUDA error: x"}, "r01c07") ==
        "killed by SIGABRT: CUDA error: x (on node r01c07: another one may do; --exclude=r01c07 keeps away from it)");
}

TEST_CASE("kinds of crashes keep their names") {
  for (const CrashKind kind : {CrashKind::program, CrashKind::memory, CrashKind::device})
    CHECK(parse_crash_kind(name(kind)) == kind);
  CHECK(parse_crash_kind("nonsense") == CrashKind::program);
}
