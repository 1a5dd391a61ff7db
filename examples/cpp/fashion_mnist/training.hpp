// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataset.hpp"
#include "network.hpp"
#include "random.hpp"

// Everything that changes while training. Where in the epoch we are follows from the step.
class Training {
 public:
  Training(const Dataset& dataset, std::size_t batch);

  std::uint64_t steps_per_epoch() const { return (dataset_.count() + batch_ - 1) / batch_; }
  void step(std::uint64_t step);   // one batch; the first one of an epoch shuffles
  double mean_loss(std::uint64_t steps_done) const;   // of the epoch at hand
  double accuracy(const Dataset& test);

  Random random{20170828};             // the day Fashion-MNIST was published
  Network network;
  std::vector<std::uint32_t> order;    // of the pictures in this epoch
  double loss_sum = 0;                 // of this epoch

 private:
  const Dataset& dataset_;
  std::size_t batch_;
  std::vector<float> images_;          // of the batch
  std::vector<std::uint8_t> labels_;
};
