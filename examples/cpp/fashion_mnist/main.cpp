// SPDX-License-Identifier: Apache-2.0
// A classifier trained from scratch that survives the end of its job: register, restore, one safe point per batch.
#include <ckpt/ckpt.hpp>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "options.hpp"
#include "training.hpp"

namespace {

void add(ckpt::run& run, const std::string& name, Parameter& parameter) {
  run.add("model/" + name, parameter.value.data(), {parameter.rows, parameter.columns});
  run.add("adam/first/" + name, parameter.first_moment.data(), {parameter.rows, parameter.columns});
  run.add("adam/second/" + name, parameter.second_moment.data(), {parameter.rows, parameter.columns});
}

void add(ckpt::run& run, Training& training) {
  int number = 0;
  for (Layer& layer : training.network.layers()) {
    const std::string name = "layer" + std::to_string(++number);
    add(run, name + "/weight", layer.weight);
    add(run, name + "/bias", layer.bias);
  }
  run.add("shuffle/order", training.order);
  run.add("shuffle/random", training.random.state.data(), {training.random.state.size()});
  run.add("loss_sum", training.loss_sum);
}

// One line that is rewritten on a terminal; elsewhere a line now and then.
void show_progress(const Training& training, std::uint64_t step, std::uint64_t total) {
  static const bool terminal = isatty(STDOUT_FILENO) != 0;
  const std::uint64_t steps_per_epoch = training.steps_per_epoch();
  if (!terminal && step % 25 != 0 && step != total) return;
  std::printf("%sepoch %.2f of %llu, loss %.3f%s", terminal ? "\r" : "",
              static_cast<double>(step) / static_cast<double>(steps_per_epoch),
              static_cast<unsigned long long>(total / steps_per_epoch), training.mean_loss(step),
              terminal && step != total ? " " : "\n");
  std::fflush(stdout);
}

void write_weights(Network& network, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  for (Layer& layer : network.layers()) {
    for (const auto* numbers : {&layer.weight.value, &layer.bias.value}) {
      file.write(reinterpret_cast<const char*>(numbers->data()),
                 static_cast<std::streamsize>(numbers->size() * sizeof(float)));
    }
  }
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

int run_training(const Options& options) {
  const Dataset dataset = read_dataset(options.data, "train");
  Training training(dataset, options.batch);
  const std::uint64_t total = options.epochs * training.steps_per_epoch();
  const double steps_per_epoch = static_cast<double>(training.steps_per_epoch());

  std::uint64_t step = 0;
  ckpt::run run;
  add(run, training);
  run.restore(step);
  while (step < total && run.point(step)) {
    training.step(step++);
    run.progress(static_cast<double>(step) / steps_per_epoch, static_cast<double>(options.epochs), "epoch");
    if (!options.quiet) show_progress(training, step, total);
  }
  if (step == total) {   // the results first: a run that is recorded complete is not started again
    if (!options.weights_out.empty()) write_weights(training.network, options.weights_out);
    std::printf("test accuracy %.2f %%, %zu weights\n", 100 * training.accuracy(read_dataset(options.data, "t10k")),
                training.network.parameter_count());
    run.finish(step);
  }
  return run.close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_training(parse_options(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fashion_mnist: %s\n", error.what());
    return 1;
  }
}
