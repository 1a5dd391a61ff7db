// SPDX-License-Identifier: Apache-2.0
#include "chain/own_checkpoints.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

using Words = std::vector<std::string>;

TEST_CASE("words for resuming are split as a shell would") {
  CHECK(split_words("--load-checkpoint {resume}") == Words{"--load-checkpoint", "{resume}"});
  CHECK(split_words("  a 'b c' \"d 'e'\" f\\ g '' ") == Words{"a", "b c", "d 'e'", "f g", ""});
  CHECK(split_words("").empty());
  CHECK_THROWS_AS(split_words("it's"), Error);
}

TEST_CASE("a command is given the checkpoint where it asks for it, and its words only when there is one") {
  const checkpoints::Version version{{"/a b/3.pt", {}, std::nullopt, std::nullopt, 1, 100}, "PyTorch", 1, ""};
  CHECK(command_of_block({"train"}, {"--load", "{resume}"}, version) == Words{"train", "--load", "/a b/3.pt"});
  CHECK(command_of_block({"train"}, {"--load", "{resume}"}, std::nullopt) == Words{"train"});
  CHECK(command_of_block({"train", "--from={resume}", "{resume}{resume}"}, {}, version) ==
        Words{"train", "--from=/a b/3.pt", "/a b/3.pt/a b/3.pt"});
  CHECK(command_of_block({"train", "--from={resume}"}, {}, std::nullopt) == Words{"train", "--from="});
}
