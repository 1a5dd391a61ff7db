// SPDX-License-Identifier: Apache-2.0
#include "rundir/layout.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using ckpt::testing::thrown_by;

TEST_CASE("a snapshot's name tells step and block, and the name is read back") {
  CHECK(snapshot_file_name({.block = 7, .step = 4100}) == "step-000000004100-b0007.h5");
  for (const SnapshotId id : {SnapshotId{1, 0}, SnapshotId{7, 4100}, SnapshotId{9999, 999'999'999'999},
                              SnapshotId{10'000, 1'000'000'000'000}, SnapshotId{UINT64_MAX, UINT64_MAX}})
    CHECK(parse_snapshot_file_name(snapshot_file_name(id)) == id);
}

TEST_CASE("numbers that outgrow their places get wider") {
  CHECK(snapshot_file_name({.block = 12345, .step = 1'234'567'890'123}) == "step-1234567890123-b12345.h5");
  CHECK(block_file_name({.block = 12345}) == "12345.json");
}

TEST_CASE("nothing else is a snapshot") {
  const auto name = GENERATE(as<std::string>(), "", "step-.h5", "step-000000004100.h5", "step-000000004100-b0007",
                             "step-000000004100-b0007.h5.damaged-b0008", "step-000000004100-b0007.h5.damaged-b0008-2",
                             ".step-000000004100-b0007.h5.tmp-node12-4711-1", "step-000000004100-b0007.h5~",
                             " step-000000004100-b0007.h5", "Step-000000004100-b0007.h5", "step-4100-b7.h5",
                             "step-000000004100-b7.h5", "step-0000000004100-b0007.h5", "step-000000004100-b00007.h5",
                             "step-+00000004100-b0007.h5", "step--00000004100-b0007.h5", "step-00000000410x-b0007.h5",
                             "step-18446744073709551616-b0007.h5", "step-000000004100-b18446744073709551616.h5",
                             "step-000000004100-b0007.h5.h5", "best.h5");
  INFO(name);
  CHECK_FALSE(parse_snapshot_file_name(name));
}

TEST_CASE("newest is the highest block, then the highest step") {
  CHECK(SnapshotId{2, 1} > SnapshotId{1, 1000});
  CHECK(SnapshotId{2, 2} > SnapshotId{2, 1});
}

TEST_CASE("every file in blocks/ is told from the others by its name") {
  const Layout layout("/scratch/run");
  const auto kind_of = [](const std::string& path) { return parse_block_file_name(path.substr(path.rfind('/') + 1)); };
  CHECK(kind_of(layout.block_record(7)) == BlockFile{7, BlockFileKind::record, 0});
  CHECK(kind_of(layout.block_end(7)) == BlockFile{7, BlockFileKind::end, 0});
  CHECK(kind_of(layout.program_record(7, 4711)) == BlockFile{7, BlockFileKind::program, 4711});
  CHECK(kind_of(layout.child_record(7, 4711)) == BlockFile{7, BlockFileKind::child, 4711});
  CHECK(kind_of(layout.ckptrun_ledger(12345)) == BlockFile{12345, BlockFileKind::ckptrun_ledger, 0});
  CHECK(kind_of(layout.program_ledger(7, 4711)) == BlockFile{7, BlockFileKind::program_ledger, 4711});
  CHECK(layout.program_record(7, 4711) == "/scratch/run/blocks/0007.program-4711.json");
}

TEST_CASE("nothing else is a file of a block") {
  const auto name = GENERATE(as<std::string>(), "", ".json", "7.json", "00007.json", "0000.json", "0007.json~",
                             ".0007.json.tmp-node12-4711-1", "0007.jsonl", "0007.END.json", "0007.end.jsonl",
                             "0007.program-.json", "0007.program-0.json", "0007.program-007.json",
                             "0007.program--5.json", "0007.program-9223372036854775808.json", "0007.child-5.jsonl",
                             "18446744073709551616.json", "0007.ckptrun.json", "block.json");
  INFO(name);
  CHECK_FALSE(parse_block_file_name(name));
}

TEST_CASE("a run directory is absolute, whatever way it was written") {
  CHECK(Layout("/scratch//./run/").directory() == "/scratch/run");
  CHECK(Layout("/scratch/run").name() == "run");
  CHECK(Layout("/scratch/link/../run").directory() == "/scratch/link/../run");   // the link may lead elsewhere
  char* here = ::get_current_dir_name();
  CHECK(Layout("runs/a").directory() == std::string(here) + "/runs/a");
  std::free(here);
}

TEST_CASE("the root and no name at all cannot be run directories") {
  const auto thrown = thrown_by([name = GENERATE(as<std::string>(), "", "/", "//", "/.")] { Layout layout(name); });
  CHECK(thrown.status == CKPT_ERR_RUN_DIRECTORY);
  CHECK(thrown.says("--run"));
}
