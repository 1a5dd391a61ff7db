// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

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
