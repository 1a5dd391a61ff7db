// SPDX-License-Identifier: Apache-2.0
#include "doctor/mount.hpp"

#include <catch2/catch.hpp>

using ckpt::supervisor::doctor::mount_of;

namespace {

const std::string mountinfo = R"(22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:25 / /tmp rw,nosuid - tmpfs tmpfs rw
31 22 0:40 / /scratch rw,noatime shared:7 master:2 - lustre 10.0.0.1@o2ib:/scratch rw,flock
32 22 0:41 /home /home/alice\040b rw - nfs4 server:/export/home rw,vers=4.2
33 30 0:42 / /tmp rw - xfs /dev/vdb rw
)";

}  // namespace

TEST_CASE("the nearest mount above a directory is its") {
  CHECK(mount_of(mountinfo, "/scratch/alice/run").type == "lustre");
  CHECK(mount_of(mountinfo, "/scratch").source == "10.0.0.1@o2ib:/scratch");
  CHECK(mount_of(mountinfo, "/scratch2/run").point == "/");
  CHECK(mount_of(mountinfo, "/etc").type == "ext4");
}

TEST_CASE("a mount on top of another hides it") { CHECK(mount_of(mountinfo, "/tmp/x").type == "xfs"); }

TEST_CASE("a mount point with a space in it is understood") {
  CHECK(mount_of(mountinfo, "/home/alice b/run").source == "server:/export/home");
  CHECK(mount_of(mountinfo, "/home/alice").type == "ext4");
}

TEST_CASE("where nothing is told nothing is known") {
  CHECK(mount_of("", "/scratch").type.empty());
  CHECK(mount_of("nonsense\n\n1 2 3\n", "/scratch").type.empty());
}
