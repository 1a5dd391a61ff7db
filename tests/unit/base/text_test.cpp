// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "base/text.hpp"

using namespace ckpt;

TEST_CASE("a word reaches the program as it was typed, whatever a shell would make of it") {
  CHECK(shell_word("train.py") == "train.py");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("two words") == "'two words'");
  CHECK(shell_word("$HOME") == "'$HOME'");
  CHECK(shell_word("{a,b}") == "'{a,b}'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("~") == "'~'");
  CHECK(shell_word("a\nb") == "'a\nb'");
}
