// SPDX-License-Identifier: Apache-2.0
#include "doctor/quota.hpp"

#include <sys/quota.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "base/error.hpp"
#include "slurm/command.hpp"

namespace ckpt::supervisor::doctor {
namespace {

constexpr double patience_seconds = 5;
constexpr std::uint64_t kibibyte = 1024;

std::uint64_t tighter(std::uint64_t soft, std::uint64_t hard) {
  if (soft == 0 || hard == 0) return std::max(soft, hard);
  return std::min(soft, hard);
}

// "123456*": over its soft limit. "[1234]": an estimate.
std::optional<std::uint64_t> number(std::string word) {
  std::erase_if(word, [](char c) { return c == '*' || c == '[' || c == ']'; });
  if (word.empty() || word.find_first_not_of("0123456789") != std::string::npos || word.size() > 18) return std::nullopt;
  return std::stoull(word);
}

// "NAME used soft hard grace files soft hard grace", sizes in KiB.
std::optional<Quota> parse_row(const std::string& line, std::string& name) {
  std::istringstream words(line);
  std::array<std::string, 8> field;
  if (!(words >> name)) return std::nullopt;
  for (std::string& one : field)
    if (!(words >> one)) return std::nullopt;
  const auto used = number(field[0]), soft = number(field[1]), hard = number(field[2]);
  const auto files = number(field[4]), soft_files = number(field[5]), hard_files = number(field[6]);
  if (!used || !soft || !hard || !files || !soft_files || !hard_files) return std::nullopt;
  return Quota{*used * kibibyte, tighter(*soft, *hard) * kibibyte, *files, tighter(*soft_files, *hard_files)};
}

QuotaAnswer ask_kernel(const Mount& mount) {
  dqblk block{};
  if (::quotactl(QCMD(Q_GETQUOTA, USRQUOTA), mount.source.c_str(), static_cast<int>(::geteuid()),
                 reinterpret_cast<caddr_t>(&block)) != 0) {
    if (errno == ESRCH || errno == ENOSYS) return {Quota{}, {}};   // no quota is kept there
    return {std::nullopt, "quotactl: " + errno_text(errno)};
  }
  return {Quota{block.dqb_curspace, tighter(block.dqb_bsoftlimit, block.dqb_bhardlimit) * kibibyte, block.dqb_curinodes,
                tighter(block.dqb_isoftlimit, block.dqb_ihardlimit)}, {}};
}

slurm::Answer ask(Clock& clock, std::vector<std::string> words, std::string& why_not) {
  const slurm::Command command = slurm::question(std::move(words));
  const slurm::Answer answer = slurm::run(clock, command, slurm::once(patience_seconds));
  if (!answer.ok()) why_not = slurm::describe(command, answer);
  return answer;
}

}  // namespace

std::optional<Quota> parse_lfs_quota(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line, name; std::getline(lines, line);) {
    if (auto quota = parse_row(line, name)) return quota;
  }
  return std::nullopt;
}

std::optional<Quota> parse_quota(const std::string& text, const std::string& source) {
  std::istringstream lines(text);
  for (std::string line, name; std::getline(lines, line);) {
    if (auto quota = parse_row(line, name); quota && name == source) return quota;
  }
  return std::nullopt;
}

QuotaAnswer ask_quota(Clock& clock, const Mount& mount, const std::string& user) {
  if (mount.type == "tmpfs" || mount.type == "overlay") return {std::nullopt, mount.type + " keeps none"};
  if (mount.source.starts_with("/dev/")) return ask_kernel(mount);
  QuotaAnswer answer;
  answer.quota = mount.type == "lustre"
                     ? parse_lfs_quota(ask(clock, {"lfs", "quota", "-q", "-u", user, mount.point}, answer.why_not).output)
                     : parse_quota(ask(clock, {"quota", "-p", "-w"}, answer.why_not).output, mount.source);
  if (!answer.quota && answer.why_not.empty()) answer.why_not = "nothing was told about " + mount.source;
  return answer;
}

}  // namespace ckpt::supervisor::doctor
