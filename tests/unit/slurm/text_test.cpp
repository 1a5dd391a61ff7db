// SPDX-License-Identifier: Apache-2.0
#include "slurm/text.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace ckpt::supervisor::slurm;

TEST_CASE("a record's values may hold spaces and equals signs") {
  const Record record("JobId=7 JobName=my long name UserId=alice(1001) Reason=Nodes required for job are DOWN, DRAINED "
                      "Command=/home/alice/train.sh --seed=3 a=b WorkDir=/home/alice/two words ReqB:S:C:T=0:0:*:* "
                      "Power= ");
  CHECK(record.value("JobName") == "my long name");
  CHECK(record.value("Reason") == "Nodes required for job are DOWN, DRAINED");
  CHECK(record.value("Command") == "/home/alice/train.sh --seed=3 a=b");
  CHECK(record.value("WorkDir") == "/home/alice/two words");
  CHECK(record.value("ReqB:S:C:T") == "0:0:*:*");
  CHECK(record.value("Power").empty());
  CHECK(record.number("JobId") == 7);
}

TEST_CASE("what Slurm does not know is absent") {
  const Record record("JobId=7 Account=(null) TimeMin=N/A Power=x JobState");
  CHECK(record.value("Account").empty());
  CHECK(record.value("TimeMin").empty());
  CHECK(record.value("JobState").empty());
  CHECK(record.value("Nothing").empty());
  CHECK_FALSE(record.number("Account"));
}

TEST_CASE("a name that looks like a state makes the state unknown, not wrong") {
  const Record record("JobId=7 JobName=x JobState=COMPLETED UserId=alice(1001) JobState=RUNNING");
  CHECK(record.value("JobState").empty());
  CHECK(record.value_before("JobName", "UserId") == "x JobState=COMPLETED");
}

TEST_CASE("lines that are no records are passed over") {
  const auto found = records("scontrol: warning: something\n\nJobId=1 A=2\r\nJobIdle=3\n JobId=4\nJobId=5", "JobId");
  REQUIRE(found.size() == 2);
  CHECK(found[0].number("JobId") == 1);
  CHECK(found[0].value("A") == "2");
  CHECK(found[1].number("JobId") == 5);
}

TEST_CASE("times are read as UTC") {
  CHECK(parse_time("1970-01-02T00:00:01") == 86401);
  CHECK(parse_time("2026-11-21T09:26:24") == 1795253184);
  CHECK(parse_time("2028-02-29T00:00:00"));
  for (const char* text : {"Unknown", "N/A", "None", "", "09:26:24", "2026-11-21 09:26:24", "2026-13-01T00:00:00",
                           "2026-02-30T00:00:00", "2026-11-21T25:00:00", "2026-11-21T09:26:24Z", "2026-11-21T09:26:2x"})
    CHECK_FALSE(parse_time(text));
}

TEST_CASE("spans of time are read in every form that Slurm prints") {
  CHECK(parse_span("1-02:03:04") == 93784);
  CHECK(parse_span("02:00") == 120);
  CHECK(parse_span("01:00:00") == 3600);
  CHECK(parse_span("30 sec") == 30);
  CHECK(parse_span("5 min") == 300);
  CHECK(std::isinf(*parse_span("UNLIMITED")));
  for (const char* text : {"Partition_Limit", "INVALID", "NONE", "N/A", "n/a", "", "-1:00", "NOT_SET", "1 fortnight"})
    CHECK_FALSE(parse_span(text));
}

TEST_CASE("an exit status tells a code from a signal") {
  CHECK(parse_exit_status("3:0") == ExitStatus{3, 0});
  CHECK(parse_exit_status("0:9") == ExitStatus{0, 9});
  for (const char* text : {"", "3", "3:", "a:b", "1:2:3", "999:0", "-1:0"}) CHECK_FALSE(parse_exit_status(text));
}

TEST_CASE("task lists are counted without being written out") {
  const auto list = TaskSet::parse("1,3,5-9:2%4");
  REQUIRE(list);
  CHECK(list->count() == 5);
  CHECK(list->throttle() == 4);
  CHECK(list->highest() == 9);
  CHECK(list->contains(7));
  CHECK_FALSE(list->contains(6));
  CHECK(TaskSet::parse("0-1000000000")->count() == 1000000001);
  CHECK(TaskSet::parse("[2-3%1]")->count() == 2);
  CHECK(TaskSet::parse("7")->single() == 7);
  CHECK_FALSE(TaskSet::parse("7-8")->single());
  CHECK(TaskSet::parse("1-4:2")->highest() == 3);
}

TEST_CASE("a task list that is none, or cut short, is absent") {
  for (const char* text : {"", "N/A", "4294967294", "1-", "-3", "3-1", "1,2,...", "1-5:0", "1:0-", "1-3%", "1-3%x", "a",
                           "1,,2", "[1-3"})
    CHECK_FALSE(TaskSet::parse(text));
}

TEST_CASE("no text whatever breaks the parsers") {
  std::mt19937 random(7);
  const std::string letters = "AJobId=1 \n\r\t|:,-%[]{}()0129TNULl./\xff\x00\x1b";
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    const std::string line = "JobId=" + text;
    for (const Record& record : records(line, "JobId")) record.value("JobId");
    parse_time(text);
    parse_span(text);
    parse_exit_status(text);
    if (const auto tasks = TaskSet::parse(text)) CHECK(tasks->count() >= 1);
  }
}
