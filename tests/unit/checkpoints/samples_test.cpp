// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "checkpoints/finding.hpp"
#include "unit/checkpoints/sample_copies.hpp"

using namespace ckpt;
using namespace ckpt::checkpoints;

namespace {

const std::vector<std::pair<std::string, std::string>> whole_files = {{"pytorch.pt", "PyTorch"},
                                                                      {"pytorch-without-checksums.pt", "PyTorch"},
                                                                      {"model.keras", "Keras"},
                                                                      {"model.h5", "HDF5"},
                                                                      {"model.weights.h5", "HDF5"},
                                                                      {"checked.h5", "HDF5"},
                                                                      {"packed.h5", "HDF5"},
                                                                      {"zlib.h5", "HDF5"},
                                                                      {"nothing-to-write.h5", "HDF5"},
                                                                      {"weights.safetensors", "safetensors"},
                                                                      {"array.npy", "NumPy"},
                                                                      {"objects.npy", "NumPy"},
                                                                      {"arrays.npz", "NumPy"},
                                                                      {"compressed.npz", "NumPy"}};

Finding examine(const std::string& path) { return checkpoints::examine(io::file_system(), path); }

// Every length of the first and the last part, and some between.
std::size_t next_length(std::size_t length, std::size_t all) {
  constexpr std::size_t closely = 200, far = 97;
  return length + (length < closely || length + closely > all ? 1 : std::min(far, all - closely - length + 1));
}

}  // namespace

TEST_CASE("what the libraries write is whole") {
  const auto [name, format] = GENERATE(from_range(whole_files));
  const Finding finding = examine(std::string(CKPT_SAMPLES) + '/' + name);
  INFO(name << ": " << finding.reason);
  CHECK(finding.state == Wholeness::whole);
  CHECK(finding.format == format);
}

TEST_CASE("a file that was cut short at any place is not whole") {
  const auto [name, format] = GENERATE(from_range(whole_files));
  const std::string bytes = read_sample(name);
  const Folder folder;
  for (std::size_t length = 0; length < bytes.size(); length = next_length(length, bytes.size())) {
    folder.write(name, bytes.substr(0, length));
    INFO(name << " cut to " << length << " of " << bytes.size());
    CHECK(examine(folder.path(name)).state != Wholeness::whole);
  }
}

TEST_CASE("a file of which the end is not yet written is not whole") {
  const auto [name, format] = GENERATE(from_range(whole_files));
  std::string bytes = read_sample(name);
  std::fill(bytes.end() - static_cast<std::ptrdiff_t>(bytes.size() / 2), bytes.end(), '\0');
  const Folder folder;
  folder.write(name, bytes);
  const bool says_nothing_of_its_content = name == "array.npy" || name == "weights.safetensors" || format == "HDF5";
  if (!says_nothing_of_its_content) CHECK(examine(folder.path(name)).state == Wholeness::broken);
}

TEST_CASE("an array of which the last page is nothing but zeros does not tell that it was written to its end") {
  const Folder folder;
  const std::string head = "\x93NUMPY\x01" + std::string("\0", 1) + "v" + std::string("\0", 1) +
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (2000,), }" + std::string(57, ' ') + "\n";
  const std::string tensor = R"({"a": {"dtype": "F32", "shape": [2000], "data_offsets": [0, 8000]}})";
  const auto [name, beginning] = GENERATE_COPY(table<std::string, std::string>(
      {{"a.npy", head}, {"a.safetensors", std::string(1, static_cast<char>(tensor.size())) + std::string(7, '\0') + tensor}}));
  folder.write(name, beginning + std::string(8000 - 4096, 'x') + std::string(4096, '\0'));
  CHECK(examine(folder.path(name)).state == Wholeness::unknown);
  folder.write(name, beginning + std::string(8000 - 4096, 'x') + std::string(4095, '\0') + 'x');
  CHECK(examine(folder.path(name)).state == Wholeness::whole);
}

TEST_CASE("a file of which a crash of the machine left zeros, or a few bytes, is broken whatever its format") {
  const Folder folder;
  const std::string name = GENERATE("x.pt", "x.h5", "x.keras", "x.npz", "x.npy", "x.safetensors");
  const std::string content = GENERATE(std::string(1000, '\0'), std::string("P"), std::string("\x89HDF"));
  folder.write(name, content);
  CHECK(examine(folder.path(name)).state == Wholeness::broken);
}

TEST_CASE("a file of nothing but zeros is broken whatever its name") {
  const Folder folder;
  const std::string name = GENERATE("x.ckpt", "x.pth.tar", "x.bin", "x.pkl", "x.distcp", "restart.dat");
  folder.write(name, std::string(200'000, '\0'));
  CHECK(examine(folder.path(name)).reason == "it holds nothing but zeros: what was in it was never written, or is lost");
  folder.write("border.dat", std::string(100'000, '\0') + 'x' + std::string(100'000, '\0'));  // a grid at rest at its border
  CHECK(examine(folder.path("border.dat")).state == Wholeness::unknown);
  folder.write("x.ckpt", "PK\3");
  CHECK(examine(folder.path("x.ckpt")).state == Wholeness::broken);
  folder.write("x.ckpt", "of a program of its own");
  CHECK(examine(folder.path("x.ckpt")).state == Wholeness::unknown);
}

TEST_CASE("in a directory what is known to be PyTorch's begins so, and nothing that holds state is zeros") {
  const Folder folder;
  const std::string name = GENERATE("optimizer.bin", "scheduler.bin", "random_states_0.pkl", "pytorch_model.bin");
  std::filesystem::create_directories(folder.path("step-1/d"));
  folder.write("step-1/" + name, read_sample("pytorch.pt"));
  folder.write("step-1/other.bin", "of a program of its own");
  folder.write("step-1/momentum.dat", std::string(100, '\0'));
  CHECK(examine(folder.path("step-1")).state == Wholeness::unknown);
  folder.write("step-1/" + name, GENERATE(std::string(1000, '\0'), std::string("of nobody")));
  CHECK(examine(folder.path("step-1")).state == Wholeness::broken);
}

TEST_CASE("every flipped bit in a tensor of PyTorch is found, which torch.load does not do") {
  std::string bytes = read_sample("pytorch.pt");
  const std::size_t head = bytes.find("/data/0") - std::string("pytorch").size() - 30;
  const auto length_at = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])) +
           256 * static_cast<unsigned char>(bytes[at + 1]);
  };
  const std::size_t begin = head + 30 + length_at(head + 26) + length_at(head + 28);
  const Folder folder;
  for (std::size_t bit = 0; bit < 8 * 7 * 5 * sizeof(float); ++bit) {
    std::string flipped = bytes;
    flipped[begin + bit / 8] = static_cast<char>(flipped[begin + bit / 8] ^ (1 << bit % 8));
    folder.write("x.pt", flipped);
    const Finding finding = examine(folder.path("x.pt"));
    REQUIRE(finding.state == Wholeness::broken);
    REQUIRE(finding.reason == "its entry 'pytorch/data/0' does not match its checksum (CRC-32)");
  }
}

TEST_CASE("no flipped byte makes a reader crash or read beyond the file") {
  const auto [name, format] = GENERATE(from_range(whole_files));
  if (format == "HDF5") return;  // in a process of its own: judgement
  const std::string bytes = read_sample(name);
  const Folder folder;
  for (std::size_t at = 0; at < bytes.size(); at = next_length(at, bytes.size())) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(~flipped[at]);
    folder.write(name, flipped);
    examine(folder.path(name));
  }
}

TEST_CASE("a file of a newer HDF5 than ours is not called damaged") {
  CHECK(examine(CKPT_SAMPLES "/newest.h5").state != Wholeness::broken);
}

TEST_CASE("an HDF5 file with an array or a chunk that nobody has written yet does not tell that it is whole") {
  const Finding finding = examine(std::string(CKPT_SAMPLES) + '/' + GENERATE("unwritten-array.h5", "unwritten-chunk.h5"));
  CHECK(finding.state == Wholeness::unknown);
  CHECK(finding.format == "HDF5");
}

TEST_CASE("of HDF5 checksums of metadata and Fletcher-32 are looked at") {
  std::string bytes = read_sample("checked.h5");
  const float value = 40;  // of the array, as it is stored; once more in the one without a checksum
  const std::string stored(reinterpret_cast<const char*>(&value), sizeof value);
  const std::size_t at =
      GENERATE_COPY(std::size_t{8}, std::size_t{20}, std::size_t{40}, std::size_t{46}, bytes.rfind(stored));
  bytes[at] = static_cast<char>(bytes[at] ^ 16);
  const Folder folder;
  folder.write("x.h5", bytes);
  CHECK(examine(folder.path("x.h5")).state == Wholeness::broken);
}

TEST_CASE("every flipped byte of what zlib has compressed is found, in NumPy's archives and in HDF5") {
  const auto [name, begin, end] = GENERATE(table<std::string, std::string, std::string>(
      {{"compressed.npz", "values.npy", "PK\1\2"}, {"zlib.h5", "\x78\x5e", ""}}));
  const std::string bytes = read_sample(name);
  const std::size_t head = 30, first = bytes.find(begin) + (end.empty() ? 0 : head), last = end.empty() ? bytes.size() : bytes.find(end);
  REQUIRE(first + 100 < last);
  const Folder folder;
  for (std::size_t at = first; at < last; ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);   // the highest of the last byte may mean nothing
    folder.write(name, flipped);
    INFO(at);
    REQUIRE(examine(folder.path(name)).state == Wholeness::broken);
  }
}

TEST_CASE("of a compressed archive the length that its list tells is the one that comes out") {
  const Folder folder;
  std::string bytes = read_sample("zeros.npz");   // 4 MiB in 4 kB
  folder.write("x.npz", bytes);
  CHECK(examine(folder.path("x.npz")).state == Wholeness::whole);
  char& lowest = bytes[bytes.find("PK\1\2") + 24];
  lowest = static_cast<char>(lowest + GENERATE(1, -1));
  folder.write("x.npz", bytes);
  CHECK(examine(folder.path("x.npz")).reason == "its entry 'values.npy' cannot be unpacked: it is damaged");
}

TEST_CASE("PyTorch's old format tells where its pickles end, not where its arrays do") {
  const std::string bytes = read_sample("old-pytorch.pt");
  const Folder folder;
  folder.write("x.pt", bytes);
  CHECK(examine(folder.path("x.pt")).state == Wholeness::unknown);
  folder.write("x.pt", bytes.substr(0, bytes.size() / 3));
  CHECK(examine(folder.path("x.pt")).state == Wholeness::broken);
}

TEST_CASE("a directory is whole when all in it is") {
  const Folder folder;
  const std::string name = GENERATE("checkpoint-20", "distributed");
  const std::string path = folder.sample(name);
  CHECK(examine(path).state != Wholeness::broken);
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string file = entry.path().filename();
    if (file == "trainer_state.json" || file == "model.safetensors.index.json") continue;
    INFO(file);
    std::filesystem::rename(entry.path(), folder.path("away"));
    if (file != "optimizer.pt") CHECK(examine(path).state == Wholeness::broken);
    std::filesystem::rename(folder.path("away"), entry.path());
    folder.write(name + '/' + file, "");
    CHECK(examine(path).state != Wholeness::whole);
    std::filesystem::copy_file(std::string(CKPT_SAMPLES) + '/' + name + '/' + file, entry.path(),
                               std::filesystem::copy_options::overwrite_existing);
  }
  folder.write(name + "/optimizer.pt.tmp", "");
  CHECK(examine(path).reason == "optimizer.pt.tmp in it is still being written, or was never finished");
}

TEST_CASE("a part of a distributed checkpoint that was cut short or has a flipped bit is named") {
  const Folder folder;
  const std::string path = folder.sample("distributed"), part = "distributed/__0_0.distcp";
  const std::string bytes = read_sample(part);
  for (std::size_t length = 4; length < bytes.size(); length += 7) {
    const bool is_between_arrays = bytes.compare(length, 4, "PK\3\4") == 0 && bytes.compare(length - 22, 4, "PK\5\6") == 0;
    if (is_between_arrays) continue;   // only .metadata, which is not run, tells that more was there
    folder.write(part, bytes.substr(0, length));
    INFO(length << " of " << bytes.size());
    CHECK(examine(path).state != Wholeness::whole);
  }
  std::string flipped = bytes;
  flipped[flipped.find("/data/0") + 100] ^= 1;
  folder.write(part, flipped);
  CHECK(examine(path).reason == "__0_0.distcp: its entry 'archive/data/0' does not match its checksum (CRC-32)");
  folder.write(part, bytes);
  folder.write("distributed/__1_0.distcp", "");   // of a rank that had nothing to write
  CHECK(examine(path).state == Wholeness::whole);
}

TEST_CASE("Hugging Face's Trainer killed between two files leaves no whole checkpoint, whichever two") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("checkpoint-20"));
  const bool is_first = GENERATE(true, false);
  if (!is_first) std::filesystem::create_directories(folder.path("checkpoint-10"));
  if (!is_first) folder.write("checkpoint-10/trainer_state.json", "{}");
  const std::string weights = read_sample("weights.safetensors");
  const std::pair<const char*, std::string> in_order[] = {{"config.json", "{}"},
                                                          {"generation_config.json", "{}"},
                                                          {"model-00001-of-00002.safetensors", weights},
                                                          {"model-00002-of-00002.safetensors", weights},
                                                          {"training_args.bin", read_sample("pytorch.pt")},
                                                          {"optimizer.pt", read_sample("pytorch.pt")}};
  for (const auto& [name, content] : in_order) {
    folder.write(std::string("checkpoint-20/") + name, content);
    const bool may_be_all = is_first && std::string_view(name) == "model-00002-of-00002.safetensors";
    CHECK(examine(folder.path("checkpoint-20")).state == (may_be_all ? Wholeness::unknown : Wholeness::broken));
    CHECK(checkpoints::examine(io::file_system(), folder.path("checkpoint-20"), true).state == Wholeness::broken);
  }
  CHECK(examine(folder.path("checkpoint-20")).reason ==
        "trainer_state.json, which is written last, is missing: it was cut short, or is still being written");
  folder.write("checkpoint-20/trainer_state.json", "{}");
  CHECK(examine(folder.path("checkpoint-20")).state == Wholeness::whole);
}

TEST_CASE("the arguments of a Trainer and the state of its optimizer are no weights") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("checkpoint-20"));
  folder.write("checkpoint-20/trainer_state.json", "{}");
  for (const char* name : {"training_args.bin", "optimizer.pt", "rng_state_0.pth"})
    folder.write(std::string("checkpoint-20/") + name, read_sample("pytorch.pt"));
  CHECK(examine(folder.path("checkpoint-20")).reason == "it has no weights yet (*.safetensors, *.bin)");
  folder.write("checkpoint-20/model.pth", read_sample("pytorch.pt"));
  folder.write("checkpoint-20/model.pth.bak", "set aside");
  CHECK(examine(folder.path("checkpoint-20")).state == Wholeness::whole);
}

TEST_CASE("a directory without a mark of its end is not whole before it rests, though each file in it is") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("step-1"));
  folder.write("step-1/model.pt", read_sample("pytorch.pt"));
  CHECK(examine(folder.path("step-1")).state == Wholeness::unknown);
}

TEST_CASE("a directory that lacks what all the others have was not finished") {
  const Folder folder;
  const auto write = [&](int epoch, std::initializer_list<const char*> names) {
    std::filesystem::create_directories(folder.path(fmt::format("epoch_{}", epoch)));
    for (const std::string name : names) folder.write(fmt::format("epoch_{}/{}", epoch, name), read_sample("pytorch.pt"));
  };
  write(1, {"model.bin", "optimizer.bin", "random_states_0.pkl", "loss-0.51.pt", "ema.pt"});
  write(2, {"model.bin", "optimizer.bin", "random_states_0.pkl", "loss-3e-05.pt"});
  write(10, {"model.bin", "loss-1.2.pt"});
  CHECK(examine(folder.path("epoch_10")).reason ==
        "optimizer.bin, which the checkpoints beside it have, is missing: it was cut short, or is still being written "
        "(if it is whole, move the others away)");
  write(10, {"optimizer.bin", "random_states_1.pkl"});
  CHECK(examine(folder.path("epoch_10")).state == Wholeness::unknown);
  CHECK(examine(folder.path("epoch_2")).state == Wholeness::unknown);   // ema.pt is not in all the others
}

TEST_CASE("neither a directory that was cut short nor one that has more tells what the others must have") {
  const Folder folder;
  const auto write = [&](int epoch, std::initializer_list<const char*> names) {
    std::filesystem::create_directories(folder.path(fmt::format("epoch_{}", epoch)));
    for (const std::string name : names) folder.write(fmt::format("epoch_{}/{}", epoch, name), read_sample("pytorch.pt"));
    return folder.path(fmt::format("epoch_{}", epoch));
  };
  write(1, {"model.bin", "optimizer.bin", "first.pt"});
  write(2, {"model.bin", "optimizer.bin"});
  const std::string cut = write(3, {"model.bin"});
  CHECK(examine(cut).state == Wholeness::broken);
  CHECK(examine(write(4, {"model.bin"})).state == Wholeness::broken);
  CHECK(examine(write(4, {"optimizer.bin"})).state == Wholeness::unknown);
  CHECK(examine(cut).state == Wholeness::broken);
}

TEST_CASE("a directory that lacks the files of a rank, in whatever folder, was not finished") {
  const Folder folder;
  const auto write = [&](const std::string& directory, std::initializer_list<const char*> names) {
    for (const std::string name : names) {
      std::filesystem::create_directories(std::filesystem::path(folder.path(directory + '/' + name)).parent_path());
      folder.write(directory + '/' + name, read_sample("pytorch.pt"));
    }
  };
  for (const char* whole : {"iter_0000100", "iter_0000200"})
    write(whole, {"mp_rank_00/model.pt", "mp_rank_00/distrib_optim.pt", "mp_rank_01/model.pt", "mp_rank_01/distrib_optim.pt"});
  write("iter_0000300", {"mp_rank_00/model.pt", "mp_rank_00/distrib_optim.pt"});
  CHECK(examine(folder.path("iter_0000300")).reason ==
        "of the 2 files like mp_rank_01/distrib_optim.pt that the checkpoints beside it have only 1 is there: it was cut short, "
        "or is still being written (if it is whole, move the others away)");
  write("iter_0000300", {"mp_rank_01/model.pt"});
  CHECK(examine(folder.path("iter_0000300")).state == Wholeness::broken);
  write("iter_0000300", {"mp_rank_01/distrib_optim.pt"});
  CHECK(examine(folder.path("iter_0000300")).state == Wholeness::unknown);
  write("iter_0000300", {"mp_rank_02/model.pt", "mp_rank_02/distrib_optim.pt", "ema.pt"});
  CHECK(examine(folder.path("iter_0000300")).state == Wholeness::unknown);  // more is not less

  write("global_step100", {"mp_rank_00_model_states.pt", "zero_pp_rank_0_optim_states.pt", "zero_pp_rank_1_optim_states.pt"});
  write("global_step200", {"mp_rank_00_model_states.pt", "zero_pp_rank_0_optim_states.pt"});
  CHECK(examine(folder.path("global_step200")).state == Wholeness::broken);
  write("global_step200", {"zero_pp_rank_1_optim_states.pt"});
  CHECK(examine(folder.path("global_step200")).state == Wholeness::unknown);
}

TEST_CASE("a directory that Megatron's or DeepSpeed's tracker does not name yet was not finished") {
  const Folder folder;
  for (const char* name : {"iter_0000090", "iter_0000100", "global_step90", "global_step100"}) {
    std::filesystem::create_directories(folder.path(name));
    folder.write(std::string(name) + "/model.pt", read_sample("pytorch.pt"));
  }
  const auto [tracker, before, now, path] = GENERATE(table<std::string, std::string, std::string, std::string>(
      {{"latest_checkpointed_iteration.txt", "90", "100\n", "iter_0000100"},
       {"latest", "global_step90", "global_step100", "global_step100"}}));
  CHECK(examine(folder.path(path)).state == Wholeness::unknown);
  folder.write(tracker, before);
  CHECK(examine(folder.path(path)).reason ==
        "it is not named by " + tracker + " yet: it was cut short, or is still being written (if it is whole, write its name into " + tracker + ")");
  folder.write(tracker, now);
  CHECK(examine(folder.path(path)).state == Wholeness::unknown);
  folder.write(tracker, GENERATE("release", "", "of somebody else"));
  CHECK(examine(folder.path(path)).state == Wholeness::unknown);
}

TEST_CASE("a folder in a directory may be empty, as the assets of a SavedModel") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("saved-1/assets"));
  folder.write("saved-1/saved_model.pb", "anything");
  CHECK(examine(folder.path("saved-1")).state == Wholeness::unknown);
  std::filesystem::create_directories(folder.path("saved-2"));
  CHECK(examine(folder.path("saved-2")).reason == "it is empty");
}

TEST_CASE("Orbax says by a file that all is there, and its tables have checksums") {
  const Folder folder;
  const std::string path = folder.sample("orbax");
  CHECK(examine(path).state == Wholeness::whole);
  CHECK(examine(path).format == "Orbax");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file() || entry.path().filename().string().find('_') != std::string::npos) continue;
    const std::string file = std::filesystem::relative(entry.path(), folder.path("")), bytes = read_sample(file);
    for (std::size_t at = 12; at < bytes.size(); ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 1);
      folder.write(file, flipped);
      REQUIRE(examine(path).state == Wholeness::broken);
      folder.write(file, bytes.substr(0, at));
      REQUIRE(examine(path).state == Wholeness::broken);
    }
    for (const std::string& lost : {std::string(), std::string(bytes.size(), '\0')}) {
      folder.write(file, lost);
      CHECK(examine(path).state == Wholeness::broken);
    }
    folder.write(file, bytes);
  }
  CHECK(examine(path).state == Wholeness::whole);
  std::filesystem::rename(folder.path("orbax/manifest.ocdbt"), folder.path("manifest"));
  CHECK(examine(path).reason == "manifest.ocdbt is missing");
  std::filesystem::rename(folder.path("manifest"), folder.path("orbax/manifest.ocdbt"));
  folder.write("orbax/d/x.orbax-checkpoint-tmp-17", "");
  CHECK(examine(path).state == Wholeness::broken);
  std::filesystem::remove(folder.path("orbax/d/x.orbax-checkpoint-tmp-17"));
  for (const char* mark : {"commit_success.txt", "_CHECKPOINT_METADATA"}) std::filesystem::remove(folder.path("orbax/") + mark);
  CHECK(examine(path).state == Wholeness::unknown);
}

TEST_CASE("what is no checkpoint format that is known here says nothing") {
  const Folder folder;
  folder.write("state.bin", "some state of a program of its own");
  CHECK(examine(folder.path("state.bin")).state == Wholeness::unknown);
  folder.write("state.bin", "");
  CHECK(examine(folder.path("state.bin")).reason == "it is empty");
}

TEST_CASE("a pickle with arrays between its opcodes, as joblib writes it, is of a format that does not tell, and was cut short where its end is missing") {
  using namespace std::string_literals;
  const Folder folder;
  const std::string begin = "\x80\4\x8c\23joblib.numpy_pickle\x94\x8c\21NumpyArrayWrapper\x94\x93\x94)\x81\x94}\x94"s;
  std::string array;
  for (int i = 0; i < 1000; ++i) array += "T\xff\xff\xff\x7f"s;      // as an opcode: more than the file holds
  folder.write("m.joblib", begin + "b" + array + ".");
  CHECK(examine(folder.path("m.joblib")).state == Wholeness::unknown);
  CHECK(examine(folder.path("m.joblib")).format == "joblib");
  folder.write("m.joblib", begin + "b" + array);
  CHECK(examine(folder.path("m.joblib")).reason == "it ends in the middle of a pickle");
  folder.write("m.joblib", begin);
  CHECK(examine(folder.path("m.joblib")).state == Wholeness::broken);
  folder.write("old.joblib", "\x80\2cjoblib.numpy_pickle\nNumpyArrayWrapper\n" + array + ".");
  CHECK(examine(folder.path("old.joblib")).format == "joblib");
}

TEST_CASE("a format of one's own that begins like a known one is of a format that does not tell") {
  using namespace std::string_literals;
  const Folder folder;
  folder.write("own.ckpt", "\x80\4K\1" + std::string(100, '\xff'));
  folder.write("description.ckpt", "\x13\0\0\0\0\0\0\0{\"shape\": [10, 10]}"s + std::string(800, 'x'));
  folder.write("longer.ckpt", "\x13\0\1\0\0\0\0\0{\"shape\": [10, 10]}"s + std::string(800, 'x'));
  folder.write("zeros.pt", std::string(16, '\0') + std::string(800, 'x'));
  const std::string array = read_sample("array.npy");
  folder.write("array-and-more.bin", array + "more");
  for (const char* name : {"own.ckpt", "description.ckpt", "longer.ckpt", "zeros.pt", "array-and-more.bin"}) {
    INFO(name);
    CHECK(examine(folder.path(name)).state == Wholeness::unknown);
  }
  folder.write("lost.pt", std::string(4096, '\0') + std::string(800, 'x'));
  CHECK(examine(folder.path("lost.pt")).state == Wholeness::broken);
}

TEST_CASE("of several arrays in one file, as np.save appends them, each is looked at") {
  const Folder folder;
  const std::string array = read_sample("array.npy");
  folder.write("arrays.bin", array + array + array);
  CHECK(examine(folder.path("arrays.bin")).state == Wholeness::whole);
  folder.write("arrays.bin", array + array + array.substr(0, array.size() - 1));
  CHECK(examine(folder.path("arrays.bin")).state == Wholeness::broken);
  folder.write("array.npy", array + "more");
  CHECK(examine(folder.path("array.npy")).state == Wholeness::broken);
  folder.write("array.npy", array + array);
  CHECK(examine(folder.path("array.npy")).state == Wholeness::whole);
}

TEST_CASE("a distributed checkpoint of whose files a few bytes are left is broken") {
  const Folder folder;
  const std::string path = folder.sample("distributed"), name = GENERATE(".metadata", "__0_0.distcp");
  const std::string bytes = read_sample("distributed/" + name);
  for (const std::size_t left : {1, 2, 3}) {
    INFO(name << " cut to " << left);
    folder.write("distributed/" + name, bytes.substr(0, left));
    CHECK(examine(path).state == Wholeness::broken);
  }
}

TEST_CASE("a flipped bit in how the list of a zip file describes an entry is found") {
  constexpr std::size_t flags_at = 8, method_at = 10, attributes_at = 38;
  const std::string name = GENERATE("pytorch.pt", "pytorch-without-checksums.pt", "arrays.npz", "compressed.npz");
  const std::string bytes = read_sample(name);
  const Folder folder;
  const std::pair<std::size_t, int> flips[] = {{flags_at, 2}, {flags_at + 1, 8}, {method_at, 1}, {method_at, 8}, {attributes_at, 0x10}};
  for (std::size_t at = bytes.find("PK\1\2"); at != std::string::npos; at = bytes.find("PK\1\2", at + 1))
    for (const auto& [offset, bit] : flips) {
      std::string flipped = bytes;
      flipped[at + offset] = static_cast<char>(flipped[at + offset] ^ bit);
      folder.write(name, flipped);
      INFO(name << ": " << offset << " of the entry at " << at);
      CHECK(examine(folder.path(name)).state == Wholeness::broken);
    }
}
