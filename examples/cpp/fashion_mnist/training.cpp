// SPDX-License-Identifier: Apache-2.0
#include "training.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace {
constexpr std::array<std::size_t, 4> widths = {Dataset::pixels, 1536, 576, Dataset::classes};   // 2.1 million weights
}

Training::Training(const Dataset& dataset, std::size_t batch)
    : network(widths, random), order(dataset.count()), dataset_(dataset), batch_(batch) {
  std::iota(order.begin(), order.end(), 0u);
}

void Training::step(std::uint64_t step) {
  const std::size_t first = step % steps_per_epoch() * batch_;
  const std::size_t count = std::min(batch_, order.size() - first);
  if (first == 0) {
    random.shuffle(order);
    loss_sum = 0;
  }
  images_.resize(count * Dataset::pixels);
  labels_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t picture = order[first + i];
    std::copy_n(&dataset_.images[picture * Dataset::pixels], Dataset::pixels, &images_[i * Dataset::pixels]);
    labels_[i] = dataset_.labels[picture];
  }
  const double learning_rate = 1e-3 * std::pow(0.6, static_cast<double>(step / steps_per_epoch()));
  loss_sum += network.train(images_, labels_, step, learning_rate);
}

double Training::mean_loss(std::uint64_t steps_done) const {
  return steps_done == 0 ? 0 : loss_sum / static_cast<double>((steps_done - 1) % steps_per_epoch() + 1);
}

double Training::accuracy(const Dataset& test) {
  constexpr std::size_t portion = 500;
  std::vector<float> images = test.images;
  std::size_t correct = 0;
  for (std::size_t first = 0; first < test.count(); first += portion) {
    const std::size_t count = std::min(portion, test.count() - first);
    correct += network.count_correct(std::span(images).subspan(first * Dataset::pixels, count * Dataset::pixels),
                                     std::span(test.labels).subspan(first, count));
  }
  return static_cast<double>(correct) / static_cast<double>(test.count());
}
