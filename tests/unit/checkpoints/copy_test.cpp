// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cerrno>

#include "checkpoints/copy.hpp"
#include "checkpoints/judgement.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

struct Last {
  Folder folder;
  KeepRule rule{folder.path("kept"), 3};
  const std::string path = folder.path("last.pt");

  Judged judge() {
    const auto candidates = Pattern(path).list(io::file_system());
    return Judgement(io::file_system(), candidates.front(), rule).wait();
  }
  std::vector<Candidate> copies() const { return list_copies(io::file_system(), rule.directory, path); }
};

// Has room for so many files in a directory.
class SmallDisk final : public io::FileSystem {
 public:
  SmallDisk(std::string directory, std::size_t most) : directory_(std::move(directory)), most_(most) {}

  int open(const std::string& path, io::OpenMode mode, std::uint32_t permissions, std::unique_ptr<io::File>& file) override {
    std::vector<std::string> names;
    if (mode == io::OpenMode::create_new && real_.list(directory_, names) == 0 && names.size() >= most_) return ENOSPC;
    return real_.open(path, mode, permissions, file);
  }
  int make_directory(const std::string& path, std::uint32_t permissions) override { return real_.make_directory(path, permissions); }
  int rename_new(const std::string& from, const std::string& to) override { return real_.rename_new(from, to); }
  int rename_replacing(const std::string& from, const std::string& to) override { return real_.rename_replacing(from, to); }
  int link(const std::string& existing, const std::string& name) override { return real_.link(existing, name); }
  int remove(const std::string& path) override { return real_.remove(path); }
  int list(const std::string& directory, std::vector<std::string>& names) override { return real_.list(directory, names); }
  int info(const std::string& path, io::FileInfo& info) override { return real_.info(path, info); }
  int touch(const std::string& path) override { return real_.touch(path); }
  int sync_directory(const std::string& path) override { return real_.sync_directory(path); }
  int volume(const std::string& path, io::VolumeInfo& volume) override { return real_.volume(path, volume); }

 private:
  io::FileSystem& real_ = io::posix_file_system();
  std::string directory_;
  std::size_t most_;
};

}  // namespace

TEST_CASE("of every whole version that is overwritten a copy is kept, two at most, newest first") {
  Last last;
  for (const std::string sample : {"pytorch.pt", "pytorch-without-checksums.pt", "pytorch.pt"}) {
    last.folder.write("last.pt", read_sample(sample));
    CHECK(last.judge().finding.state == Wholeness::whole);
  }
  const auto copies = last.copies();
  REQUIRE(copies.size() == 2);
  CHECK(copies[0].path == last.folder.path("kept/last.b0003-3.pt"));
  CHECK(copies[1].path == last.folder.path("kept/last.b0003-2.pt"));
  CHECK(examine(io::file_system(), copies[0].path).state == Wholeness::whole);
  CHECK(std::filesystem::file_size(copies[0].path) == read_sample("pytorch.pt").size());
}

TEST_CASE("a torn version is no copy, and leaves none behind") {
  Last last;
  last.folder.write("last.pt", read_sample("pytorch.pt").substr(0, 900));
  CHECK(last.judge().finding.state == Wholeness::broken);
  CHECK(last.copies().empty());
}

TEST_CASE("a format that does not tell is copied only once nobody writes it") {
  Last last;
  last.folder.write("last.pt", "state of its own");
  CHECK(last.judge().version.copy.empty());
  last.rule.even_if_unknown = true;
  CHECK(last.judge().version.copy == last.folder.path("kept/last.b0003-1.pt"));
}

TEST_CASE("what somebody has open for writing is copied only where checksums tell that it is whole") {
  Last last;
  last.rule.is_open = true;
  const auto [sample, is_copied] = GENERATE(table<std::string, bool>({{"pytorch.pt", true}, {"model.h5", false}, {"array.npy", false}}));
  last.folder.write("last.pt", read_sample(sample));
  const Judged judged = last.judge();
  CHECK(judged.finding.state == Wholeness::whole);
  CHECK(judged.finding.by_checksum == is_copied);
  CHECK(last.copies().size() == (is_copied ? 1 : 0));
}

TEST_CASE("a version of which no copy can be made is whole all the same, and the reason is told") {
  Last last;
  last.folder.write("last.pt", read_sample("pytorch.pt"));
  last.folder.write("kept", "in the way of the copies' folder");
  const Judged judged = last.judge();
  CHECK(judged.finding.state == Wholeness::whole);
  CHECK(judged.version.copy.empty());
  CHECK(judged.version.crc != 0);
  CHECK(judged.why_no_copy.find("cannot copy") != std::string::npos);
}

TEST_CASE("a directory that is written anew in place is whole without a copy") {
  Last last;
  std::filesystem::create_directory(last.path);
  last.folder.write("last.pt/model.pt", read_sample("pytorch.pt"));
  last.rule.even_if_unknown = true;
  const Judged judged = last.judge();
  CHECK(judged.finding.state == Wholeness::unknown);
  CHECK(judged.why_no_copy == "it is more than one file");
}

TEST_CASE("a copy that may hold half of the next version counts only with checksums that say no") {
  Last last;
  const auto judge_when_written_anew = [&](const std::string& sample) {
    last.folder.write("last.pt", "an earlier version");
    const Candidate before = Pattern(last.path).list(io::file_system()).front();
    last.folder.write("last.pt", read_sample(sample));
    return Judgement(io::file_system(), before, last.rule).wait();
  };
  CHECK(judge_when_written_anew("pytorch.pt").finding.state == Wholeness::whole);
  const Judged without = judge_when_written_anew("model.h5");
  CHECK(without.finding.state == Wholeness::broken);
  CHECK(without.finding.reason == "it was written anew while it was copied");
  CHECK(last.copies().size() == 1);
}

TEST_CASE("on a full disk the older copy makes room for the next one") {
  Last last;
  for (int version = 1; version <= 2; ++version) {
    last.folder.write("last.pt", read_sample("pytorch.pt"));
    last.judge();
  }
  SmallDisk disk(last.rule.directory, 2);
  const std::string copy = copy_aside(disk, last.path, last.rule);
  CHECK(std::filesystem::exists(copy));
  REQUIRE(last.copies().size() == 1);
  CHECK(last.copies()[0].path == last.folder.path("kept/last.b0003-2.pt"));
}

TEST_CASE("a copy is put back also where an earlier run has set a torn one aside under the same name") {
  const Last last;
  last.folder.write("copy.pt", "whole");
  for (const char* expected : {"last.pt.damaged-b0004", "last.pt.damaged-b0004-2", "last.pt.damaged-b0004-3"}) {
    last.folder.write("last.pt", "torn");
    CHECK(put_back(io::file_system(), last.folder.path("copy.pt"), last.path, 4) == last.folder.path(expected));
    CHECK(std::filesystem::file_size(last.path) == 5);
    CHECK(std::filesystem::file_size(last.folder.path(expected)) == 4);
  }
}
