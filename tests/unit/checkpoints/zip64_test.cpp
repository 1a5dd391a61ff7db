// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "checkpoints/crc.hpp"
#include "checkpoints/finding.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

template <class Number>
std::string little(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;

// As a writer of archives beyond 4 GiB does it, which writes sizes and offsets into the extra field.
std::string zip64(const std::string& name, const std::string& content) {
  const std::string crc = little(crc32().of(content)), size = little(U64{content.size()});
  const std::string local = "PK\3\4" + little(U16{45}) + little(U16{0}) + little(U16{0}) + little(U32{0}) + crc +
                            little(U32{0xffffffff}) + little(U32{0xffffffff}) + little(static_cast<U16>(name.size())) +
                            little(U16{20}) + name + little(U16{1}) + little(U16{16}) + size + size + content;
  const std::string list = "PK\1\2" + little(U16{45}) + little(U16{45}) + little(U16{0}) + little(U16{0}) +
                           little(U32{0}) + crc + little(U32{0xffffffff}) + little(U32{0xffffffff}) +
                           little(static_cast<U16>(name.size())) + little(U16{28}) + little(U16{0}) + little(U16{0}) +
                           little(U16{0}) + little(U32{0}) + little(U32{0xffffffff}) + name + little(U16{1}) +
                           little(U16{24}) + size + size + little(U64{0});
  const std::string end64 = "PK\6\6" + little(U64{44}) + little(U16{45}) + little(U16{45}) + little(U32{0}) +
                            little(U32{0}) + little(U64{1}) + little(U64{1}) + little(U64{list.size()}) +
                            little(U64{local.size()});
  const std::string locator = "PK\6\7" + little(U32{0}) + little(U64{local.size() + list.size()}) + little(U32{1});
  const std::string end = "PK\5\6" + little(U32{0}) + little(U16{0xffff}) + little(U16{0xffff}) +
                          little(U32{0xffffffff}) + little(U32{0xffffffff}) + little(U16{0});
  return local + list + end64 + locator + end;
}

}  // namespace

TEST_CASE("an archive of the kind that may be larger than 4 GiB is read, and its checksum as well") {
  const Folder folder;
  std::string bytes = zip64("model/data.pkl", "content");
  folder.write("x.pt", bytes);
  const Finding finding = examine(io::file_system(), folder.path("x.pt"));
  INFO(finding.reason);
  CHECK(finding.state == Wholeness::whole);
  CHECK(finding.format == "PyTorch");
  bytes[bytes.find("content")] = 'k';
  folder.write("x.pt", bytes);
  CHECK(examine(io::file_system(), folder.path("x.pt")).reason ==
        "its entry 'model/data.pkl' does not match its checksum (CRC-32)");
}

TEST_CASE("the two checksums are the well-known ones") {
  CHECK(crc32().of("123456789") == 0xcbf43926u);
  CHECK(crc32c().of("123456789") == 0xe3069283u);
  CHECK(crc32().of("6789", crc32().of("12345")) == 0xcbf43926u);
}
