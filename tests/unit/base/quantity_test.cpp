// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

#include "base/error.hpp"

using namespace ckpt;

namespace {

constexpr double minute = 60, hour = 3600, day = 86400;

// The status and the text of what a parser throws; CKPT_OK when it parsed.
template <class Parse>
Error error_of(Parse parse, const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    return error;
  }
  return {CKPT_OK, 0, ""};
}

}  // namespace

TEST_CASE("durations are read as people write them") {
  CHECK(parse_duration("90s") == 90);
  CHECK(parse_duration("15m") == 15 * minute);
  CHECK(parse_duration("24h") == 24 * hour);
  CHECK(parse_duration("7d") == 7 * day);
  CHECK(parse_duration("1h30m") == 90 * minute);
  CHECK(parse_duration("1h 30m") == 90 * minute);
  CHECK(parse_duration("1.5h") == 90 * minute);
  CHECK(parse_duration("250ms") == Approx(0.25));
  CHECK(parse_duration("2min") == 120);
  CHECK(parse_duration(" 45sec ") == 45);
  CHECK(parse_duration("0s") == 0);
}

TEST_CASE("durations are read in every form of sbatch --time") {
  CHECK(parse_duration("90") == 90 * minute);                                  // minutes
  CHECK(parse_duration("30:15") == 30 * minute + 15);                          // minutes:seconds
  CHECK(parse_duration("3:00:00") == 3 * hour);                                // hours:minutes:seconds
  CHECK(parse_duration("100:00:01") == 100 * hour + 1);
  CHECK(parse_duration("2-12") == 2 * day + 12 * hour);                        // days-hours
  CHECK(parse_duration("2-12:30") == 2 * day + 12 * hour + 30 * minute);       // days-hours:minutes
  CHECK(parse_duration("1-12:30:05") == 1 * day + 12 * hour + 30 * minute + 5);
  CHECK(parse_duration("0-0:0:1") == 1);
  CHECK(parse_duration("7-00:00:00") == 7 * day);
}

TEST_CASE("what is no duration is refused with the text and an example") {
  const std::string text =
      GENERATE("", " ", "h", "24x", "24H", "-5m", "-5", "1-", "1-2:3:4:5", "1:2:3:4", "1:", ":1", "1::2", "1.5", "1h30",
               "+5m", "0x10", "1e3s", "nan", "inf", "infs", "UNLIMITED", "five minutes", "1,5h", "101:xx", "40000d",
               "1-1-1", "99999999999999999999d", "5m;rm");
  const Error error = error_of(parse_duration, text);
  CAPTURE(text);
  CHECK(error.status() == CKPT_ERR_CONFIG);
  CHECK(std::string(error.what()).find("'" + text + "'") != std::string::npos);
  CHECK(std::string(error.what()).find("24h") != std::string::npos);
}

TEST_CASE("durations are written for people") {
  CHECK(format_duration_exactly(85362) == "23 h 42 min 42 s");
  CHECK(format_duration_exactly(3 * 86400 + 3600) == "3 d 1 h");
  CHECK(format_duration_exactly(-100) == "-1 min 40 s");
  CHECK(format_duration_exactly(45) == "45 s");
  CHECK(format_duration(0.0000004) == "0 us");
  CHECK(format_duration(0.00025) == "250 us");
  CHECK(format_duration(0.0123) == "12.3 ms");
  CHECK(format_duration(0.8) == "0.8 s");
  CHECK(format_duration(9.94) == "9.9 s");
  CHECK(format_duration(9.96) == "10 s");
  CHECK(format_duration(45) == "45 s");
  CHECK(format_duration(99.4) == "99 s");
  CHECK(format_duration(100) == "1 min 40 s");
  CHECK(format_duration(9.5 * minute) == "9 min 30 s");
  CHECK(format_duration(599.7) == "10 min");
  CHECK(format_duration(12 * minute) == "12 min");
  CHECK(format_duration(59.6 * minute) == "1 h 00 min");
  CHECK(format_duration(3 * hour + 5 * minute) == "3 h 05 min");
  CHECK(format_duration(47 * hour) == "47 h 00 min");
  CHECK(format_duration(2 * day + 4 * hour) == "2 d 4 h");
  CHECK(format_duration(-45) == "-45 s");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "no limit");
}

TEST_CASE("sizes are read in bytes, powers of 1024 and powers of 1000") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("1K") == 1024);
  CHECK(parse_size("1k") == 1024);
  CHECK(parse_size("512M") == 512ull << 20);
  CHECK(parse_size("4G") == 4ull << 30);
  CHECK(parse_size("4GiB") == 4ull << 30);
  CHECK(parse_size("2T") == 2ull << 40);
  CHECK(parse_size("1.5 GB") == 1'500'000'000);
  CHECK(parse_size(" 10 KB ") == 10'000);
}

TEST_CASE("what is no size is refused with the text and an example") {
  const std::string text = GENERATE("", " ", "G", "4X", "4Gi", "4GBB", "-1", "-1G", "1e3", "nan", "inf", "infG", "4 G G",
                                    "10000000T", "0x10", "4,5G", "four");
  const Error error = error_of(parse_size, text);
  CAPTURE(text);
  CHECK(error.status() == CKPT_ERR_CONFIG);
  CHECK(std::string(error.what()).find("'" + text + "'") != std::string::npos);
  CHECK(std::string(error.what()).find("512M") != std::string::npos);
}

TEST_CASE("sizes are written for people") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(812) == "812 B");
  CHECK(format_size(1024) == "1.00 KiB");
  CHECK(format_size(25375539) == "24.2 MiB");
  CHECK(format_size(3ull << 40) == "3.00 TiB");
  CHECK(format_size(std::numeric_limits<std::uint64_t>::max()) == "16384.0 PiB");
}

TEST_CASE("numbers of things read as people say them") {
  CHECK(ckpt::count_of(1, "epoch") == "1 epoch");
  CHECK(ckpt::count_of(0, "epoch") == "0 epochs");
  CHECK(ckpt::count_of(102, "epoch") == "102 epochs");
  CHECK(ckpt::count_of(2.394, "epoch") == "2.39 epochs");
  CHECK(ckpt::count_of(1.001, "epoch") == "1 epoch");
  CHECK(ckpt::count_of(std::uint64_t{1}, "block") == "1 block");
}

TEST_CASE("times are written in UTC") {
  CHECK(format_time(0) == "1970-01-01T00:00:00Z");
  CHECK(format_time(1772373909.9) == "2026-03-01T14:05:09Z");
}
