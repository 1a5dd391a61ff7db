// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* help =
    "Usage: fashion_mnist [options]\n"
    "Trains a perceptron on Fashion-MNIST. Under ckptrun it survives the end of its job:\n"
    "  ckptrun --block-time 10s -- fashion_mnist --epochs 4\n\n"
    "  --epochs N           passes over the training set (4)\n"
    "  --batch N            pictures per step (240)\n"
    "  --data FOLDER        with the four .gz files (/usr/share/datasets/fashion-mnist)\n"
    "  --weights-out FILE   write the final weights: 32-bit floats, layer by layer\n"
    "  --quiet              no progress\n";

std::size_t parse_count(const char* option, const char* text) {
  std::size_t count = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, count);
  if (error != std::errc{} || stop != end || count == 0 || count > 1'000'000) {
    std::fprintf(stderr, "fashion_mnist: %s %s: not a number from 1 to 1000000\n", option, text);
    std::exit(2);
  }
  return count;
}

}  // namespace

Options parse_options(int argc, char** argv) {
  static const option known[] = {{"epochs", required_argument, nullptr, 'e'}, {"batch", required_argument, nullptr, 'b'},
                                 {"data", required_argument, nullptr, 'd'},
                                 {"weights-out", required_argument, nullptr, 'w'},
                                 {"quiet", no_argument, nullptr, 'q'}, {"help", no_argument, nullptr, 'h'}, {}};
  Options options;
  for (int word = 0; (word = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (word) {
      case 'e': options.epochs = parse_count("--epochs", optarg); break;
      case 'b': options.batch = parse_count("--batch", optarg); break;
      case 'd': options.data = optarg; break;
      case 'w': options.weights_out = optarg; break;
      case 'q': options.quiet = true; break;
      case 'h': std::fputs(help, stdout); std::exit(0);
      default: std::exit(2);
    }
  }
  if (optind < argc) {
    std::fprintf(stderr, "fashion_mnist: unexpected word %s (see --help)\n", argv[optind]);
    std::exit(2);
  }
  return options;
}
