// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "base/error.hpp"
#include "checkpoints/pattern.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

std::vector<std::string> names(const Folder& folder, const std::string& pattern) {
  std::vector<std::string> result;
  for (const Candidate& candidate : Pattern(folder.path(pattern)).list(io::file_system()))
    result.push_back(candidate.path.substr(folder.path("").size()));
  return result;
}

using Names = std::vector<std::string>;

// The later in the list, the newer.
void write_in_order(const Folder& folder, const Names& files) {
  const auto now = std::filesystem::file_time_type::clock::now();
  for (std::size_t i = 0; i < files.size(); ++i) {
    folder.write(files[i], "x");
    std::filesystem::last_write_time(folder.path(files[i]), now - std::chrono::seconds(files.size() - i));
  }
}

}  // namespace

TEST_CASE("the newest by time comes first, temporaries, hidden files and the best one are left out") {
  const Folder folder;
  write_in_order(
      folder, {"9.pt", "10.pt", "best.pt", "11.pt.tmp", ".12.pt", "model_best.pt", "tmp-13.pt", "tmp.pt", "14.pt~", "notes.txt"});
  CHECK(names(folder, "*.pt") == Names{"10.pt", "9.pt"});
  CHECK(names(folder, "*") == Names{"notes.txt", "10.pt", "9.pt"});
  CHECK(names(folder, "*best*.pt") == Names{"model_best.pt", "best.pt"});
}

TEST_CASE("what is set aside or temporary by its name is left out, unless asked for, names that only look so are not") {
  const Folder folder;
  write_in_order(folder, {"model.bin", "tmpresults.bin", "temperature.bin", "part1.bin", "new.bin", "tmpab12cd_9.bin",
                          "model_tmp.bin", "model-temp.bin", "model.temp.bin", "model.bin.new", "model.bin.saving",
                          "model.bin.bak", "model.bin.old", "model.bin.tmp123", "model.bin.part1", "#model.bin#"});
  CHECK(names(folder, "*") == Names{"new.bin", "part1.bin", "temperature.bin", "tmpresults.bin", "model.bin"});
  CHECK(names(folder, "*.old") == Names{"model.bin.old"});
}

TEST_CASE("of what was written at the same time the highest number is the newest") {
  const Folder folder;
  write_in_order(folder, {"m-9.pt", "m-10.pt", "m-8.pt"});
  for (const char* name : {"m-9.pt", "m-10.pt", "m-8.pt"})
    std::filesystem::last_write_time(folder.path(name), std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const auto time = std::filesystem::last_write_time(folder.path("m-9.pt"));
  for (const char* name : {"m-10.pt", "m-8.pt"}) std::filesystem::last_write_time(folder.path(name), time);
  CHECK(names(folder, "*.pt") == Names{"m-10.pt", "m-9.pt", "m-8.pt"});
}

TEST_CASE("numbers in names outrank the time, and are compared as numbers") {
  const Folder folder;
  write_in_order(folder,
                 {"model-10.pt", "model-9.pt", "model-x.pt", "w.03-0.51.h5", "w.12-0.40.h5", "e2-s7.pt", "e1-s900.pt"});
  CHECK(names(folder, "model-{epoch}.pt") == Names{"model-10.pt", "model-9.pt"});
  CHECK(names(folder, "w.{epoch:02d}-{val_loss:.2f}.h5") == Names{"w.12-0.40.h5", "w.03-0.51.h5"});
  CHECK(names(folder, "e{epoch}-s{step}.pt") == Names{"e2-s7.pt", "e1-s900.pt"});
  const auto newest = Pattern(folder.path("e{epoch}-s{step}.pt")).list(io::file_system()).front();
  CHECK(newest.epoch == 2);
  CHECK(newest.step == 7);
  CHECK(describe(newest) == "e2-s7.pt (epoch 2)");
}

TEST_CASE("patterns reach over folders, and the files of TensorFlow are one checkpoint") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("version_0"));
  std::filesystem::create_directories(folder.path("version_1"));
  write_in_order(folder,
                 {"version_1/a.ckpt", "version_0/b.ckpt", "tf-3.data-00000-of-00001", "tf-3.index", "checkpoint"});
  CHECK(names(folder, "version_*/*.ckpt") == Names{"version_0/b.ckpt", "version_1/a.ckpt"});
  CHECK(names(folder, "tf-{step}*") == Names{"tf-3"});
  CHECK(names(folder, "nothing/*.pt").empty());
}

TEST_CASE("folders that a sign has matched are left out by their names as files are, those that are written out are not") {
  const Folder folder;
  for (const char* name : {"checkpoint", "checkpoint-4", "checkpoint-5.tmp", "best", "tmp_run/x"})
    std::filesystem::create_directories(folder.path(name));
  write_in_order(folder, {"checkpoint-4/ckpt.pt", "checkpoint/ckpt.pt", "checkpoint-5.tmp/ckpt.pt", "best/ckpt.pt",
                          "tmp_run/x/ckpt.pt"});
  CHECK(names(folder, "*/ckpt.pt") == Names{"checkpoint/ckpt.pt", "checkpoint-4/ckpt.pt"});
  CHECK(names(folder, "best/*.pt") == Names{"best/ckpt.pt"});
  CHECK(names(folder, "*best*/ckpt.pt") == Names{"best/ckpt.pt"});
  CHECK(names(folder, "tmp_run/*/ckpt.pt") == Names{"tmp_run/x/ckpt.pt"});
  CHECK(names(folder, "tmp_*/x/ckpt.pt") == Names{"tmp_run/x/ckpt.pt"});
}

TEST_CASE("variables in capitals are those of the environment, other words stay what they are") {
  ::setenv("CKPT_TEST_TASK", "7", 1);
  CHECK(with_variables("ckpts/{CKPT_TEST_TASK}/w-{epoch:02d}-{val_loss:.2f}.h5") == "ckpts/7/w-{epoch:02d}-{val_loss:.2f}.h5");
  ::unsetenv("CKPT_TEST_TASK");
  CHECK_THROWS_WITH(with_variables("{CKPT_TEST_TASK}/*.pt"), Catch::Matchers::Contains("which is not set"));
  CHECK_THROWS_WITH(with_variables("$CHECKPOINTS/*.pt"), Catch::Matchers::Contains("the shell has not replaced"));
  CHECK_THROWS_WITH(with_variables("${CHECKPOINTS}/*.pt"), Catch::Matchers::Contains("the shell has not replaced"));
  CHECK(with_variables("costs 5$/[$]a.pt") == "costs 5$/[$]a.pt");
}

TEST_CASE("a file that is completed far below makes another version of its directory") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("iter_1/rank_0/part"));
  folder.write("iter_1/rank_0/part/state.pt", "half");
  const Pattern pattern(folder.path("iter_{step}"));
  const Candidate half = pattern.list(io::file_system()).front();
  folder.write("iter_1/rank_0/part/state.pt", "and the rest");
  CHECK_FALSE(pattern.list(io::file_system()).front().same_version(half));
}

TEST_CASE("a pattern knows what it would have been expanded to") {
  CHECK(Pattern("runs/*.pt").matches("runs/model-3.pt"));
  CHECK_FALSE(Pattern("runs/*.pt").matches("other/model-3.pt"));
  CHECK(Pattern("runs/last.pt").names_one_file());
  CHECK_FALSE(Pattern("runs/[ab].pt").names_one_file());
  CHECK_THROWS_AS(Pattern("runs/"), Error);
}

TEST_CASE("signs of regular expressions in names are meant as they are") {
  const Folder folder;
  write_in_order(folder, {"a+b(1).pt", "aab1.pt", "axpt"});
  CHECK(names(folder, "a+b(?).pt") == Names{"a+b(1).pt"});
  CHECK(names(folder, "a*.pt") == Names{"aab1.pt", "a+b(1).pt"});
}

TEST_CASE("a tracker is no checkpoint, unless the pattern says its name") {
  const Folder folder;
  for (const char* name : {"step1", "latest", "latest_checkpointed_iteration.txt"}) folder.write(name, "1");
  CHECK(Pattern(folder.path("*")).list(ckpt::io::file_system()).size() == 1);
  CHECK(Pattern(folder.path("latest*")).list(ckpt::io::file_system()).size() == 2);
  CHECK(Pattern(folder.path("latest")).list(ckpt::io::file_system()).size() == 1);
}
