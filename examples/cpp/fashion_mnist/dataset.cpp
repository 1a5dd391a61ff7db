// SPDX-License-Identifier: Apache-2.0
#include "dataset.hpp"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace {

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw std::runtime_error(path + ": " + why + "; is the package dataset-fashion-mnist installed? (--data FOLDER)");
}

std::vector<std::uint8_t> read_gzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file) fail(path, "cannot be opened");
  std::vector<std::uint8_t> content;
  std::uint8_t piece[1 << 16];
  int length = 0;
  while ((length = gzread(file.get(), piece, sizeof piece)) > 0) content.insert(content.end(), piece, piece + length);
  if (length < 0 || !gzeof(file.get())) fail(path, "is not a whole gzip file");
  return content;
}

// The IDX format: two zero bytes, element type (8: bytes), number of dimensions, then each as a big-endian number.
std::vector<std::uint8_t> read_idx(const std::string& path, std::size_t dimensions, std::size_t item_bytes) {
  std::vector<std::uint8_t> content = read_gzip(path);
  const std::size_t header_bytes = 4 + 4 * dimensions;
  if (content.size() < header_bytes || content[0] != 0 || content[1] != 0 || content[2] != 8 ||
      content[3] != dimensions) {
    fail(path, "is not an IDX file of bytes");
  }
  const std::size_t items = std::size_t{content[4]} << 24 | content[5] << 16 | content[6] << 8 | content[7];
  if (content.size() != header_bytes + items * item_bytes) fail(path, "has a wrong length");
  content.erase(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  return content;
}

}  // namespace

Dataset read_dataset(const std::string& folder, const std::string& part) {
  const std::string labels_path = folder + "/" + part + "-labels-idx1-ubyte.gz";
  const std::vector<std::uint8_t> bytes =
      read_idx(folder + "/" + part + "-images-idx3-ubyte.gz", 3, Dataset::pixels);
  Dataset dataset;
  dataset.labels = read_idx(labels_path, 1, 1);
  if (dataset.labels.size() * Dataset::pixels != bytes.size()) fail(labels_path, "does not fit the images");
  if (std::ranges::any_of(dataset.labels, [](std::uint8_t label) { return label >= Dataset::classes; })) {
    fail(labels_path, "has a label above 9");
  }
  dataset.images.resize(bytes.size());
  std::ranges::transform(bytes, dataset.images.begin(), [](std::uint8_t byte) { return byte / 255.0f; });
  return dataset;
}
