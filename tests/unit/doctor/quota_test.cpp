// SPDX-License-Identifier: Apache-2.0
// The texts are as the manuals of lfs-quota(1) and quota(1) show them, not recorded: there is no such server here.
#include "doctor/quota.hpp"

#include <catch2/catch.hpp>

using namespace ckpt::supervisor::doctor;

TEST_CASE("Lustre tells what is used and what is allowed, in KiB") {
  const auto quota = parse_lfs_quota("      /scratch 1048576       0 10485760       -    1234   90000  100000       -\n");
  REQUIRE(quota);
  CHECK(quota->used_bytes == 1ull << 30);
  CHECK(quota->limit_bytes == 10ull << 30);
  CHECK(quota->used_files == 1234);
  CHECK(quota->limit_files == 90000);
}

TEST_CASE("a quota that is exceeded, or only estimated, is a quota") {
  const auto quota = parse_lfs_quota("/scratch [20971520]* 10485760 20971520 6d23h 1 0 0 -\n");
  REQUIRE(quota);
  CHECK(quota->used_bytes == 20ull << 30);
  CHECK(quota->limit_bytes == 10ull << 30);
  CHECK(quota->limit_files == 0);
}

TEST_CASE("of several file systems the one meant counts") {
  const std::string text = "Disk quotas for user alice (uid 1000): \n"
                           "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
                           "server:/home   100   0   200   0   5   0   0   0\n"
                           "server:/work   300   0   400   0   6   0   0   0\n";
  REQUIRE(parse_quota(text, "server:/work"));
  CHECK(parse_quota(text, "server:/work")->used_bytes == 300 * 1024);
  CHECK_FALSE(parse_quota(text, "server:/data"));
}

TEST_CASE("a text about something else is no quota") {
  for (const char* text : {"", "Disk quotas for user root (uid 0): none\n", "Permission denied.\n",
                           "/scratch 1 2 3 - many 5 6 -\n", "/scratch 99999999999999999999 0 0 - 1 0 0 -\n"}) {
    CHECK_FALSE(parse_lfs_quota(text));
    CHECK_FALSE(parse_quota(text, "/scratch"));
  }
}
