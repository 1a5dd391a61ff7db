// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Fashion-MNIST: grey pictures of 28 × 28 of ten kinds of clothing.
struct Dataset {
  static constexpr std::size_t pixels = 28 * 28;
  static constexpr std::size_t classes = 10;

  std::vector<float> images;           // count × pixels, 0 … 1
  std::vector<std::uint8_t> labels;    // count

  std::size_t count() const { return labels.size(); }
};

// From FOLDER/<part>-images-idx3-ubyte.gz and FOLDER/<part>-labels-idx1-ubyte.gz; part is "train" or "t10k".
// Throws std::runtime_error naming the file.
Dataset read_dataset(const std::string& folder, const std::string& part);
