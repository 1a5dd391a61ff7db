// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "checkpoints/choose.hpp"
#include "checkpoints/judgement.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

struct Checkpoints {
  Folder folder;
  Search search{Pattern(folder.path("model-{epoch}.*")), -INFINITY, folder.path("kept"), {}};

  Choice choose() const { return checkpoints::choose(io::file_system(), search); }
};

}  // namespace

TEST_CASE("the newest whole one is chosen, broken ones are named with the reason and stay") {
  Checkpoints here;
  here.folder.write("model-1.pt", read_sample("pytorch.pt"));
  here.folder.write("model-2.h5", read_sample("model.h5"));
  here.folder.write("model-3.pt", read_sample("pytorch.pt").substr(0, 1000));
  const Choice choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(describe(*choice.newest) == "model-2.h5 (epoch 2)");
  REQUIRE(choice.rejected.size() == 1);
  CHECK(choice.rejected[0].path == here.folder.path("model-3.pt"));
  CHECK(choice.rejected[0].reason.find("was cut short") != std::string::npos);
  CHECK(std::filesystem::exists(here.folder.path("model-3.pt")));
}

TEST_CASE("a file of a format that does not tell is taken once it was seen at rest, or where there is nothing else") {
  Checkpoints here;
  here.folder.write("model-1.state", "one");
  here.folder.write("model-2.state", "two");
  REQUIRE(here.choose().newest);
  CHECK(here.choose().newest->candidate.epoch == 2);
  Checkpoints only_first;
  only_first.folder.write("model-1.state", "one");
  const auto seen = only_first.choose().newest;
  only_first.search.remembered = {*seen};
  only_first.folder.write("model-2.state", "two");
  const Choice choice = only_first.choose();
  REQUIRE(choice.newest);
  CHECK(choice.newest->candidate.epoch == 1);
  REQUIRE(choice.rejected.size() == 1);
  CHECK(choice.rejected[0].reason.find("killed or failed before it was seen at rest") != std::string::npos);
}

TEST_CASE("of a format that does not tell one that is much smaller than the one before it is taken only where there is nothing else") {
  Checkpoints here;
  here.folder.write("model-1.state", std::string(1000, 'x'));
  here.folder.write("model-2.state", std::string(GENERATE(899, 901), 'x'));
  const auto older = std::filesystem::last_write_time(here.folder.path("model-2.state")) - std::chrono::seconds(1);
  std::filesystem::last_write_time(here.folder.path("model-1.state"), older);
  const bool is_short = std::filesystem::file_size(here.folder.path("model-2.state")) < 900;
  const Choice choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(choice.newest->candidate.epoch == (is_short ? 1 : 2));
  if (is_short) CHECK(choice.rejected.at(0).reason.find("much smaller than the one before it") != std::string::npos);
  std::filesystem::remove(here.folder.path("model-1.state"));
  CHECK(here.choose().newest->candidate.epoch == 2);
}

TEST_CASE("of a format that does not tell the newest that a run's program left is taken only where there is nothing else, and with a word") {
  Checkpoints here;
  here.folder.write("model-2.state", "two");
  here.search.begun = 0;
  Choice choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(choice.doubt.find("killed or failed before it was seen at rest") != std::string::npos);
  here.search.begun = INFINITY;                       // it was there before the run
  CHECK(here.choose().doubt.empty());
  here.search.begun = 0;
  here.folder.write("model-1.state", "one");
  const auto newest = std::filesystem::last_write_time(here.folder.path("model-2.state"));
  std::filesystem::last_write_time(here.folder.path("model-1.state"), newest - std::chrono::seconds(1));
  choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(choice.newest->candidate.epoch == 1);         // its program had gone on to the next one
  CHECK(choice.doubt.empty());
  CHECK(choice.rejected.size() == 1);
}

TEST_CASE("a copy of what may have been torn is no better than that, until its program has written anew") {
  Checkpoints here;
  here.search.pattern = Pattern(here.folder.path("last.state"));
  here.search.begun = 0;
  here.folder.write("last.state", "torn?");
  Choice choice = here.choose();
  REQUIRE(choice.newest);
  REQUIRE_FALSE(choice.doubt.empty());
  here.search.in_doubt = {*choice.newest};            // a block goes on from it
  std::filesystem::create_directory(here.search.copies);
  here.folder.write("kept/last.b0001-1.state", "torn?");
  choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(choice.newest->path() == here.folder.path("last.state"));
  CHECK_FALSE(choice.doubt.empty());
  here.folder.write("last.state", "to");              // which it could read
  std::filesystem::last_write_time(here.folder.path("last.state"), std::filesystem::file_time_type::clock::now() + std::chrono::seconds(1));
  choice = here.choose();
  REQUIRE(choice.newest);
  CHECK(choice.newest->path() == here.folder.path("kept/last.b0001-1.state"));
  CHECK(choice.doubt.empty());
}

TEST_CASE("nothing but zeros is no checkpoint, whatever its name") {
  for (const char* name : {"model-1.ckpt", "model-1.bin", "model-1.pth.tar", "model-1.state", "model-1.distcp"}) {
    Checkpoints here;
    here.folder.write(name, std::string(5000, '\0'));
    CHECK_FALSE(here.choose().newest);
    here.folder.write("model-1.bin", std::string(4000, '\0').append("x"));
    CHECK(here.choose().newest);                    // a format of one's own may begin so
  }
}

TEST_CASE("numbers without a head in a folder may be zeros") {
  const Folder folder;
  std::filesystem::create_directory(folder.path("step-1"));
  folder.write("step-1/model.npy", read_sample("array.npy"));
  folder.write("step-1/momentum.bin", std::string(800, '\0'));
  CHECK(examine(io::file_system(), folder.path("step-1")).reason.empty());
  folder.write("step-1/optimizer.bin", std::string(800, '\0'));
  CHECK(examine(io::file_system(), folder.path("step-1")).state == Wholeness::broken);
}

TEST_CASE("what was there when the run started over is not chosen") {
  Checkpoints here;
  here.folder.write("model-300.pt", read_sample("pytorch.pt"));
  here.search.since = here.search.pattern.list(io::file_system()).front().modified;
  CHECK_FALSE(here.choose().newest);
}

TEST_CASE("a flipped bit in a format without checksums is found where the file was seen whole before") {
  Checkpoints here;
  std::string bytes = read_sample("model.h5");
  here.folder.write("model-1.h5", bytes);
  const auto seen = here.choose().newest;
  REQUIRE(seen);
  here.search.remembered = {*parse_version(to_json(*seen))};
  bytes[bytes.size() - 3] ^= 4;
  struct stat before{};
  ::stat(seen->path().c_str(), &before);
  here.folder.write("model-1.h5", bytes);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ::utimensat(AT_FDCWD, seen->path().c_str(), times, 0);
  const Choice choice = here.choose();
  CHECK_FALSE(choice.newest);
  REQUIRE(choice.rejected.size() == 1);
  CHECK(choice.rejected[0].reason.find("the disk has changed them") != std::string::npos);
}

TEST_CASE("what HDF5 cannot bear takes nobody down") {
  Checkpoints here;
  const std::string bytes = read_sample("model.h5");
  for (std::size_t at = 8; at < bytes.size(); at += 211) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(~flipped[at]);
    here.folder.write("model-1.h5", flipped);
    here.choose();
  }
}

TEST_CASE("the same state once more is no newer one") {
  const auto version = [](std::uint64_t epoch, double modified, std::uint32_t crc) {
    return Version{{"model.pt", {epoch}, epoch, std::nullopt, modified, 100}, "PyTorch", crc, ""};
  };
  CHECK(is_newer(version(2, 1, 7), std::nullopt));
  CHECK_FALSE(is_newer(std::nullopt, version(2, 1, 7)));
  CHECK(is_newer(version(3, 1, 8), version(2, 2, 7)));
  CHECK(is_newer(version(2, 5, 8), version(2, 2, 7)));         // under a name that has come again
  CHECK_FALSE(is_newer(version(2, 1, 8), version(2, 2, 7)));
  CHECK_FALSE(is_newer(version(3, 5, 7), version(2, 2, 7)));
}

TEST_CASE("where the checkpoints are is remembered") {
  const Folder folder;
  CHECK_FALSE(read_setting(io::file_system(), folder.path("")));
  write_setting(io::file_system(), folder.path(""), {"x/*.pt", 12.5, "/there"}, 0600);
  const auto setting = read_setting(io::file_system(), folder.path(""));
  REQUIRE(setting);
  CHECK(setting->pattern == "x/*.pt");
  CHECK(setting->since == 12.5);
  CHECK(setting->directory == "/there");
}
