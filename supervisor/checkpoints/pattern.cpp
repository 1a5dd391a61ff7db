// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/pattern.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <tuple>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "checkpoints/finding.hpp"
#include "checkpoints/names.hpp"
#include "io/publish.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::string_view index_ending = ".index";
constexpr std::size_t most_candidates = 100'000;

std::string without_home_sign(const std::string& text) {
  return text.starts_with("~/") ? environment_variable("HOME") + text.substr(1) : text;
}

// PREFIX.index and PREFIX.data-00000-of-00001 are one checkpoint, PREFIX.
std::string without_tensorflow_ending(const std::string& path) {
  if (path.ends_with(index_ending)) return path.substr(0, path.size() - index_ending.size());
  const std::size_t data = path.rfind(".data-");
  const bool is_shard = data != std::string::npos && path.find("-of-", data) != std::string::npos &&
                        path.find('/', data) == std::string::npos;
  return is_shard ? path.substr(0, data) : path;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Bytes of a checkpoint are those of all its files, its time is that of the newest one, in whatever folder of it: a file that
// is completed far below changes neither its folder nor those above.
bool take_info(io::FileSystem& fs, const std::string& path, Candidate& found, int depth = 0) {
  io::FileInfo info;
  if (fs.info(path, info) != 0) return false;
  found.modified = std::max(found.modified, info.modified);
  if (info.kind != io::FileKind::directory || depth == 0) found.bytes += info.size_bytes;
  if (info.kind != io::FileKind::directory || depth > deepest_folder) return true;
  std::vector<std::string> names;
  static_cast<void>(fs.list(path, names));
  for (const std::string& name : names) take_info(fs, path + '/' + name, found, depth + 1);
  return true;
}

}  // namespace

bool comes_after(const Candidate& one, const Candidate& other) noexcept {
  const auto one_known = std::tie(one.order, one.modified), other_known = std::tie(other.order, other.modified);
  if (one_known != other_known) return one_known > other_known;
  const int order = compare_naturally(one.path, other.path);
  return order != 0 ? order > 0 : one.path > other.path;
}

std::string describe(const Candidate& candidate) {
  const std::string name = candidate.name.empty() ? io::base_name(candidate.path) : candidate.name;
  if (candidate.epoch) return fmt::format("{} (epoch {})", name, *candidate.epoch);
  if (candidate.step) return fmt::format("{} (step {})", name, *candidate.step);
  return name;
}

std::string with_variables(const std::string& pattern) {
  static const std::regex of_shell(R"(\$\{?[A-Za-z_])"), variable(R"(\{[A-Z][A-Z0-9_]*\})");
  if (std::regex_search(pattern, of_shell))
    fail(CKPT_ERR_CONFIG,
         "--latest '{}': the shell has not replaced what follows '$', as it does in double quotes: --latest \"$DIR/*.pt\"",
         pattern);
  std::string result;
  auto end = pattern.begin();
  for (std::sregex_iterator found(pattern.begin(), pattern.end(), variable); found != std::sregex_iterator(); ++found) {
    result.append(end, (*found)[0].first);
    result += replace_variables(found->str());
    end = (*found)[0].second;
  }
  return result.append(end, pattern.end());
}

Pattern::Pattern(const std::string& text) : text_(text) {
  const std::string path = without_home_sign(text);
  absolute_ = path.starts_with('/');
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (const std::string part = path.substr(at, slash - at); !part.empty() && part != ".")
      parts_.push_back(parse_part(part));
    at = slash + 1;
  }
  if (parts_.empty() || path.ends_with('/'))
    fail(CKPT_ERR_CONFIG, "--latest '{}' names no file: write the directory and a pattern, as in 'checkpoints/*.pt'",
         text);
  names_one_ = std::none_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.expression.has_value(); });
}

std::string Pattern::the_file() const { return without_home_sign(text_); }

Pattern::Part Pattern::parse_part(const std::string& text) try {
  static const std::regex special(R"(\{([A-Za-z_]+)(:[^{}]*)?\}|\*|\?|\[[^\]]+\]|[.^$|()+\\{}\[\]])");
  Part part{text, std::nullopt, {}};
  std::string expression;
  bool literal = true;
  auto end = text.begin();
  for (std::sregex_iterator found(text.begin(), text.end(), special); found != std::sregex_iterator(); ++found) {
    const std::smatch& match = *found;
    expression.append(end, match[0].first);
    end = match[0].second;
    const std::string sign = match[0], word = match[1];
    if (word == "epoch" || word == "step") {
      expression += "([0-9]+)";
      part.numbers.push_back(word);
    } else if (!word.empty() || sign == "*")
      expression += ".*";
    else if (sign == "?")
      expression += '.';
    else if (sign.size() > 1)
      expression += sign[1] == '!' ? "[^" + sign.substr(2) : sign;
    else
      expression += '\\' + sign;
    literal = literal && sign.size() == 1 && word.empty() && sign != "*" && sign != "?";
  }
  expression.append(end, text.end());
  if (!literal) part.expression.emplace(expression);
  return part;
} catch (const std::regex_error&) {
  fail(CKPT_ERR_CONFIG, "--latest: '{}' is no pattern; a '[' needs its ']'", text);
}

bool Pattern::match(const Part& part, const std::string& name, Candidate& found) const {
  std::smatch groups;
  if (!part.expression) return name == part.text;
  if (!std::regex_match(name, groups, *part.expression)) return false;
  for (std::size_t i = 0; i < part.numbers.size(); ++i) {
    std::uint64_t number = 0;
    const std::string digits = groups[i + 1];
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc()) return false;
    found.order.push_back(number);
    (part.numbers[i] == "epoch" ? found.epoch : found.step) = number;
  }
  return true;
}

bool Pattern::matches(const std::string& path) const {
  const Pattern other(path);
  Candidate ignored;
  if (other.parts_.size() != parts_.size() || other.absolute_ != absolute_) return false;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (!match(parts_[i], other.parts_[i].text, ignored)) return false;
  return true;
}

// Unless the part asks for it. A folder may be called "checkpoint".
bool Pattern::is_left_out(const Part& part, const std::string& name, bool is_folder) {
  const auto is_best = [](const std::string& text) { return lower(text).find("best") != std::string::npos; };
  if (name.starts_with('.') || (is_best(name) && !is_best(part.text))) return true;
  if (is_tracker_name(name)) return !is_folder && part.text.find("latest") == std::string::npos;
  if (is_set_aside_name(name)) return !is_set_aside_name(part.text);
  return !is_folder && is_no_checkpoint(name);
}

void Pattern::add(io::FileSystem& fs, Candidate found, std::vector<Candidate>& all) const {
  const std::string prefix = without_tensorflow_ending(found.path);
  const bool is_prefix = prefix != found.path;
  found.path = prefix;
  found.name = without_tensorflow_ending(found.name);
  const bool known = is_prefix && std::any_of(all.begin(), all.end(),
                                              [&](const Candidate& other) { return other.path == found.path; });
  if (known || all.size() >= most_candidates) return;
  // A prefix that is named as such is no file.
  if (!is_prefix && take_info(fs, found.path, found)) return all.push_back(found);
  if (take_info(fs, found.path + std::string(index_ending), found)) all.push_back(found);
}

void Pattern::collect(io::FileSystem& fs, const std::string& directory, std::size_t number, Candidate found,
                      std::vector<Candidate>& all) const {
  const Part& part = parts_[number];
  const bool last = number + 1 == parts_.size();
  const auto go_on = [&](const std::string& name, Candidate with) {
    with.path = directory.empty() ? name : directory == "/" ? '/' + name : directory + '/' + name;
    if (part.expression || !with.name.empty()) with.name = with.name.empty() ? name : with.name + '/' + name;
    if (last)
      add(fs, std::move(with), all);
    else
      collect(fs, with.path, number + 1, with, all);
  };
  if (!part.expression) return go_on(part.text, found);
  std::vector<std::string> names;
  const int error = fs.list(directory.empty() ? "." : directory, names);
  if (error == ENOENT || error == ENOTDIR) return;
  if (error != 0) fail_io(error, "cannot look for checkpoints in '{}'", directory);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    Candidate with = found;
    if (is_left_out(part, name, !last) || !match(part, name, with)) continue;
    go_on(name, with);
  }
}

std::vector<Candidate> Pattern::list(io::FileSystem& fs) const {
  std::vector<Candidate> all;
  collect(fs, absolute_ ? "/" : "", 0, {}, all);
  std::sort(all.begin(), all.end(), comes_after);
  return all;
}

}  // namespace ckpt::checkpoints
