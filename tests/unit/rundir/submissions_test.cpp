// SPDX-License-Identifier: Apache-2.0
#include "rundir/submissions.hpp"

#include <catch2/catch.hpp>

#include "captured_log.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

Submission submission_of(const std::string& array_id, double submitted) {
  Submission submission;
  submission.array_id = array_id;
  submission.cluster = "puhti";
  submission.blocks = 12;
  submission.planned_blocks = 14;
  submission.extends = "99";
  submission.script = "/scratch/run/jobs/tr\xe9s.sh";
  submission.options = {"--time=24:00:00", "--comment=a b"};
  submission.arguments = {"--lr", "0.1"};
  submission.working_directory = "/home/alice";
  submission.sweep_arrays = {"4711", "4712"};
  submission.submitted = submitted;
  return submission;
}

}  // namespace

TEST_CASE("a submission is read back exactly, and survives a power loss") {
  PreparedRun run;
  const Submission sent = submission_of("4711", 1772373909.5);
  write_submission(run.disk, run.layout.directory(), sent, run.permissions);
  const auto after = run.disk.after_power_loss();
  const auto read = read_submissions(*after, run.layout.directory());
  REQUIRE(read.size() == 1);
  const Submission& one = read.front();
  CHECK(one.array_id == sent.array_id);
  CHECK(one.cluster == sent.cluster);
  CHECK(one.blocks == sent.blocks);
  CHECK(one.planned_blocks == sent.planned_blocks);
  CHECK(one.extends == sent.extends);
  CHECK(one.script == sent.script);
  CHECK(one.options == sent.options);
  CHECK(one.arguments == sent.arguments);
  CHECK(one.working_directory == sent.working_directory);
  CHECK(one.sweep_arrays == sent.sweep_arrays);
  CHECK(one.submitted == sent.submitted);
}

TEST_CASE("submissions come in the order they were sent, and a run that has none has an empty list") {
  PreparedRun run;
  CHECK(read_submissions(run.disk, run.layout.directory()).empty());
  write_submission(run.disk, run.layout.directory(), submission_of("5", 200), run.permissions);
  write_submission(run.disk, run.layout.directory(), submission_of("40", 100), run.permissions);
  const auto read = read_submissions(run.disk, run.layout.directory());
  REQUIRE(read.size() == 2);
  CHECK(read[0].array_id == "40");
  CHECK(read[1].array_id == "5");
}

TEST_CASE("a submission that cannot be read is named and left out") {
  PreparedRun run;
  write_submission(run.disk, run.layout.directory(), submission_of("5", 200), run.permissions);
  run.disk.put(run.layout.directory() + "/submissions/6.json", "{\"array_id\": 6");
  const CapturedLog log;
  const std::size_t found = read_submissions(run.disk, run.layout.directory()).size();
  CHECK(found == 1);
  CHECK(log.says("submissions/6.json"));
}

TEST_CASE("only the first who wants to extend an array may, also after a power loss") {
  PreparedRun run;
  CHECK(claim_extension(run.disk, run.layout.directory(), "4711", "block 7", run.permissions));
  CHECK_FALSE(claim_extension(run.disk, run.layout.directory(), "4711", "block 8", run.permissions));
  const auto after = run.disk.after_power_loss();
  CHECK_FALSE(claim_extension(*after, run.layout.directory(), "4711", "block 9", run.permissions));
  CHECK(claim_extension(*after, run.layout.directory(), "4712", "block 9", run.permissions));
  CHECK(read_submissions(*after, run.layout.directory()).empty());
}

TEST_CASE("what is no number of an array never becomes a file name") {
  PreparedRun run;
  const std::string id = GENERATE(as<std::string>(), "", "../5", "5_1", "all");
  CHECK(thrown_by([&] { write_submission(run.disk, run.layout.directory(), submission_of(id, 1), run.permissions); }).status ==
        CKPT_ERR_ARGUMENT);
  CHECK(thrown_by([&] { claim_extension(run.disk, run.layout.directory(), id, "x", run.permissions); }).status ==
        CKPT_ERR_ARGUMENT);
}
