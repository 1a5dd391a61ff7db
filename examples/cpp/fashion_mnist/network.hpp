// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "matrix.hpp"
#include "random.hpp"

// Numbers that are learned, with what Adam remembers about each.
struct Parameter {
  std::size_t rows, columns;
  std::vector<float> value, gradient, first_moment, second_moment;

  Parameter(std::size_t row_count, std::size_t column_count);
  Matrix view(std::vector<float>& numbers) { return {numbers.data(), rows, columns}; }
};

// Fully connected: output = input · weight + bias, then ReLU except in the last layer.
struct Layer {
  Parameter weight, bias;
  std::vector<float> output, output_gradient;   // of the batch at hand

  Layer(std::size_t inputs, std::size_t outputs, Random& random);
};

class Network {
 public:
  // widths: inputs, hidden layers …, classes.
  Network(std::span<const std::size_t> widths, Random& random);

  std::vector<Layer>& layers() { return layers_; }
  std::size_t parameter_count() const;

  // One step of Adam on one batch (labels.size() × inputs). Returns the mean cross-entropy before the step; `step`
  // counts from 0.
  double train(std::span<float> images, std::span<const std::uint8_t> labels, std::uint64_t step,
               double learning_rate);
  std::size_t count_correct(std::span<float> images, std::span<const std::uint8_t> labels);

 private:
  Matrix forward(std::span<float> images, std::size_t count);
  void backward(std::span<float> images, std::size_t count);

  std::vector<Layer> layers_;
};
