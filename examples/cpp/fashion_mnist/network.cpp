// SPDX-License-Identifier: Apache-2.0
#include "network.hpp"

#include <algorithm>
#include <cmath>

namespace {

void add_bias(const Matrix& output, const std::vector<float>& bias, bool rectify) {
  for (std::size_t i = 0; i < output.rows; ++i) {
    float* row = output.row(i);
    for (std::size_t j = 0; j < output.columns; ++j) {
      const float sum = row[j] + bias[j];
      row[j] = rectify && sum < 0 ? 0 : sum;
    }
  }
}

void sum_rows(const Matrix& from, std::vector<float>& to) {
  std::ranges::fill(to, 0.0f);
  for (std::size_t i = 0; i < from.rows; ++i) {
    for (std::size_t j = 0; j < from.columns; ++j) to[j] += from.row(i)[j];
  }
}

// Turns the scores of one picture into the gradient of its cross-entropy, and returns that.
double softmax_loss(float* scores, std::size_t classes, std::size_t label, float weight) {
  const float highest = *std::max_element(scores, scores + classes);
  float total = 0;
  for (std::size_t j = 0; j < classes; ++j) total += scores[j] = std::exp(scores[j] - highest);
  const double loss = -std::log(std::max(scores[label] / total, 1e-30f));
  for (std::size_t j = 0; j < classes; ++j) scores[j] = (scores[j] / total - (j == label ? 1.0f : 0.0f)) * weight;
  return loss;
}

constexpr float decay1 = 0.9f, decay2 = 0.999f, epsilon = 1e-8f;

FOR_SEVERAL_PROCESSORS
void adam(std::size_t count, const float* __restrict gradient, float* __restrict first, float* __restrict second,
          float* __restrict value, float rate, float correction) {
  for (std::size_t i = 0; i < count; ++i) {
    first[i] = decay1 * first[i] + (1 - decay1) * gradient[i];
    second[i] = decay2 * second[i] + (1 - decay2) * gradient[i] * gradient[i];
    value[i] -= rate * first[i] / (std::sqrt(second[i]) * correction + epsilon);
  }
}

void update(Parameter& parameter, std::uint64_t step, double learning_rate) {
  const double t = static_cast<double>(step + 1);
  const double rate = learning_rate / (1 - std::pow(decay1, t));
  const double correction = 1 / std::sqrt(1 - std::pow(decay2, t));
  adam(parameter.value.size(), parameter.gradient.data(), parameter.first_moment.data(),
       parameter.second_moment.data(), parameter.value.data(), static_cast<float>(rate),
       static_cast<float>(correction));
}

}  // namespace

Parameter::Parameter(std::size_t row_count, std::size_t column_count)
    : rows(row_count), columns(column_count), value(rows * columns), gradient(rows * columns),
      first_moment(rows * columns), second_moment(rows * columns) {}

Layer::Layer(std::size_t inputs, std::size_t outputs, Random& random) : weight(inputs, outputs), bias(1, outputs) {
  const double deviation = std::sqrt(2.0 / static_cast<double>(inputs));   // He et al. 2015
  for (float& number : weight.value) number = static_cast<float>(random.normal() * deviation);
}

Network::Network(std::span<const std::size_t> widths, Random& random) {
  for (std::size_t i = 1; i < widths.size(); ++i) layers_.emplace_back(widths[i - 1], widths[i], random);
}

std::size_t Network::parameter_count() const {
  std::size_t count = 0;
  for (const Layer& layer : layers_) count += layer.weight.value.size() + layer.bias.value.size();
  return count;
}

Matrix Network::forward(std::span<float> images, std::size_t count) {
  Matrix input(images.data(), count, layers_.front().weight.rows);
  for (Layer& layer : layers_) {
    layer.output.resize(count * layer.weight.columns);
    const Matrix output(layer.output.data(), count, layer.weight.columns);
    multiply(input, layer.weight.view(layer.weight.value), output);
    add_bias(output, layer.bias.value, &layer != &layers_.back());
    input = output;
  }
  return input;
}

// The last layer's output_gradient is there; fills every parameter's gradient.
void Network::backward(std::span<float> images, std::size_t count) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Layer& layer = layers_[i];
    float* inputs = i == 0 ? images.data() : layers_[i - 1].output.data();
    const Matrix input(inputs, count, layer.weight.rows);
    const Matrix gradient(layer.output_gradient.data(), count, layer.weight.columns);
    multiply(input.transposed(), gradient, layer.weight.view(layer.weight.gradient));
    sum_rows(gradient, layer.bias.gradient);
    if (i == 0) return;
    std::vector<float>& below = layers_[i - 1].output_gradient;
    below.resize(count * layer.weight.rows);
    multiply(gradient, layer.weight.view(layer.weight.value).transposed(), {below.data(), count, layer.weight.rows});
    for (std::size_t j = 0; j < below.size(); ++j) below[j] = inputs[j] > 0 ? below[j] : 0;
  }
}

double Network::train(std::span<float> images, std::span<const std::uint8_t> labels, std::uint64_t step,
                      double learning_rate) {
  const std::size_t count = labels.size();
  const Matrix scores = forward(images, count);
  double loss = 0;
  for (std::size_t i = 0; i < count; ++i) {
    loss += softmax_loss(scores.row(i), scores.columns, labels[i], 1.0f / static_cast<float>(count));
  }
  layers_.back().output_gradient = layers_.back().output;
  backward(images, count);
  for (Layer& layer : layers_) {
    update(layer.weight, step, learning_rate);
    update(layer.bias, step, learning_rate);
  }
  return loss / static_cast<double>(count);
}

std::size_t Network::count_correct(std::span<float> images, std::span<const std::uint8_t> labels) {
  const Matrix scores = forward(images, labels.size());
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* row = scores.row(i);
    correct += std::max_element(row, row + scores.columns) - row == labels[i];
  }
  return correct;
}
